// Package report is what the Go client programs share: settings, tools, and reporting.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Settings of the run, from the environment.
var (
	Gateway, Key, Format = os.Getenv("GATEWAY"), os.Getenv("KEY"), os.Getenv("FORMAT")
	Model, Thinker       = os.Getenv("MODEL"), os.Getenv("THINKER")
	Limited, Broken, Cut = os.Getenv("LIMITED"), os.Getenv("BROKEN"), os.Getenv("CUT")
)

// What the scenarios send and expect.
const (
	PNG    = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	Saw    = "I see image/png 70"
	Zurich = `The tools said: 20 °C in Zürich "ZH"`
	Both   = "The tools said: 10 °C in Paris | 30 °C in Oslo"
	Clock  = "The tools said: 12:00"
	Steps  = `The tools said: 20 °C in Zürich "ZH" | 12:00`
	JSON   = `{"city":"Zürich","celsius":21}`
)

// Greeting is what the model says to other words.
func Greeting(turns int, last string) string {
	return fmt.Sprintf("Grüezi 👋 sys=Be brief. turns=%d last=%s", turns, last)
}

// Words returns what the upstream says of a failure, by its format.
func Words(openai, anthropic string) string {
	if Format == "openai" {
		return openai
	}
	return anthropic
}

// Schemas of the tools' arguments and of a structured answer.
var (
	Weather = schema(map[string]any{"city": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer"}}, "city", "days")
	Nothing = schema(map[string]any{})
	Answer  = schema(map[string]any{"city": map[string]any{"type": "string"}, "celsius": map[string]any{"type": "integer"}}, "city", "celsius")
)

func schema(properties map[string]any, required ...string) map[string]any {
	if required == nil {
		required = []string{}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// Use runs a tool: the model's answer quotes what it returns.
func Use(name string, args []byte) string {
	if name == "get_time" {
		Equal(string(args), "{}")
		return "12:00"
	}
	Equal(name, "get_weather")
	var a struct {
		City string
		Days int
	}
	Check(json.Unmarshal(args, &a))
	return fmt.Sprintf("%d °C in %s", a.Days*10, a.City)
}

// Equal fails the scenario unless got equals want.
func Equal(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Errorf("got %#v, want %#v", got, want))
	}
}

// Contains fails the scenario unless s has part.
func Contains(s, part string) {
	if !strings.Contains(s, part) || part == "" {
		panic(fmt.Errorf("%q does not contain %q", s, part))
	}
}

// Check fails the scenario for an error.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// A Scenario is one that is run and reported by its name.
type Scenario struct {
	Name string
	Run  func()
}

// All runs the scenarios in order.
func All(list ...Scenario) {
	for _, s := range list {
		b, _ := json.Marshal(struct {
			Scenario string `json:"scenario"`
			Error    any    `json:"error"`
		}{s.Name, attempt(s.Run)})
		fmt.Println(string(b))
	}
}

func attempt(f func()) (failed any) {
	defer func() {
		if r := recover(); r != nil {
			failed = fmt.Sprint(r)
		}
	}()
	f()
	return nil
}
