package demo

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// An answer is what the engine says, in tokens, in no format.
type answer struct {
	id      string // of the answer, without the format's prefix
	model   string // as asked
	created int64  // unix seconds

	thinking []string
	text     []string
	calls    []call
	finish   string // stop, stop_sequence, length, tool_calls
	stopped  string // the sequence that ended it

	prompt  int
	usage   bool // report usage in the stream
	noUsage bool // report none anywhere
	empty   bool // no content at all, not even an empty block
}

// A call is one tool call; its arguments are cut as they will be streamed.
type call struct {
	id, name string
	args     []string
}

// completion returns the tokens written.
func (a *answer) completion() int {
	n := len(a.thinking) + len(a.text)
	for _, c := range a.calls {
		n += len(c.args)
	}
	return n
}

// answerTo composes the answer to q. id makes the ids in it unique.
func answerTo(q *ask, b behaviour, id string) *answer {
	a := &answer{id: id, model: q.model, finish: "stop", prompt: q.prompt(), usage: q.usage, noUsage: b.noUsage}
	if b.fault == faultEmpty {
		a.empty = true
		return a
	}
	if b.thinking {
		a.thinking = tokens(thought(q))
	}
	if t, ok := toolFor(q, b); ok {
		sum := fnv.New32a()
		sum.Write([]byte(id + t.name))
		a.calls = []call{{id: callID(sum.Sum32()), name: t.name, args: tokens(instanceOf(t.schema))}}
		a.finish = "tool_calls"
	} else {
		a.say(q, b)
	}
	a.cap(q.max)
	return a
}

func callID(n uint32) string { return strconv.FormatUint(uint64(n)|1<<32, 36) + "demo" }

// say composes the text and applies the stop sequences.
func (a *answer) say(q *ask, b behaviour) {
	text := words(q, a.prompt)
	if b.size > 0 {
		text = strings.Repeat(text+" ", b.size/(len(text)+1)+1)[:b.size]
		text = strings.ToValidUTF8(text, ".")
	}
	at := -1
	for _, s := range q.stop {
		if i := strings.Index(text, s); s != "" && i >= 0 && (at < 0 || i < at) {
			at, a.stopped = i, s
		}
	}
	if at >= 0 {
		text, a.finish = text[:at], "stop_sequence"
	}
	a.text = tokens(text)
	if b.oneLine && len(a.text) > 0 {
		a.text = []string{text}
	}
}

// cap cuts the answer to max tokens, thinking first.
func (a *answer) cap(max int) {
	if max < 0 || a.completion() <= max {
		return
	}
	a.finish, a.stopped = "length", ""
	cut := func(list []string) []string {
		if len(list) > max {
			list = list[:max]
		}
		max -= len(list)
		return list
	}
	a.thinking = cut(a.thinking)
	a.text = cut(a.text)
	calls := a.calls[:0]
	for _, c := range a.calls {
		if c.args = cut(c.args); len(c.args) > 0 {
			calls = append(calls, c)
		}
	}
	a.calls = calls
}

// toolFor returns the tool the answer is to call: the one tool_choice names, the
// one the caller says to call, or, where a call is demanded, the first.
func toolFor(q *ask, b behaviour) (tool, bool) {
	if len(q.tools) == 0 || q.choice == "none" {
		return tool{}, false
	}
	if names, _ := q.answered(); len(names) > 0 {
		return tool{}, false
	}
	if name, ok := strings.CutPrefix(q.choice, "="); ok {
		for _, t := range q.tools {
			if t.name == name {
				return t, true
			}
		}
	}
	said := strings.ToLower(q.said())
	for _, t := range q.tools {
		name := strings.ToLower(t.name)
		if strings.Contains(said, "call "+name) || strings.Contains(said, "调用"+name) || strings.Contains(said, "调用 "+name) {
			return t, true
		}
	}
	return q.tools[0], b.tools || q.choice == "required" || strings.HasPrefix(q.choice, "=")
}

const addProvider = "ai-gateway providers add openai --api-key sk-..."

// words returns what the engine says to q.
func words(q *ask, prompt int) string {
	said := q.said()
	if q.format != "" {
		return jsonAnswer(q, said)
	}
	zh := chinese(said)
	if names, texts := q.answered(); len(names) > 0 {
		return aboutResults(names, texts, zh)
	}
	var s strings.Builder
	if zh {
		s.WriteString("您好,这里是 ai-gateway 内置的离线演示模型:不需要密钥,不访问网络,也不产生费用。")
		s.WriteString("您刚才说的是:“" + quote(said, 200) + "”。")
		s.WriteString("我给不出真正的答案,但这次请求走过的路都是真的:路由、流式输出、限额,以及它留下的用量记录(共 " + strconv.Itoa(len(q.turns)) + " 条消息,提示约 " + strconv.Itoa(prompt) + " 个 token)。")
		s.WriteString("要接入真正的模型,请添加一个 Provider:`" + addProvider + "`,然后直接使用它的模型名,例如 `ai-gateway chat \"你好\" --model gpt-4o`。")
		return s.String()
	}
	s.WriteString("Hello from the offline demo model built into ai-gateway: no key, no network, no cost. ")
	if said == "" {
		s.WriteString("You sent no text. ")
	} else {
		s.WriteString("You said: \"" + quote(said, 200) + "\". ")
	}
	s.WriteString("I cannot really answer that, but the way here is real: routing, streaming, limits, and the usage record this request leaves (" + strconv.Itoa(len(q.turns)) + " message(s), about " + strconv.Itoa(prompt) + " prompt tokens). ")
	s.WriteString("To talk to a real model, add a provider: `" + addProvider + "`, then ask for its model by name, for example `ai-gateway chat \"Hello\" --model gpt-4o`.")
	return s.String()
}

func aboutResults(names, texts []string, zh bool) string {
	var s strings.Builder
	for i, name := range names {
		if i > 0 {
			s.WriteByte('\n')
		}
		if zh {
			s.WriteString("工具 " + name + " 返回:" + quote(texts[i], 300))
		} else {
			s.WriteString("The tool " + name + " answered: " + quote(texts[i], 300))
		}
	}
	return s.String()
}

func thought(q *ask) string {
	if said := q.said(); chinese(said) {
		return "用户说的是“" + quote(said, 80) + "”。我是离线演示模型,先说明这一点,再告诉用户如何接入真正的模型。"
	} else {
		return "The user said \"" + quote(said, 80) + "\". I am an offline demo, so I will say so and explain how to add a real provider."
	}
}
