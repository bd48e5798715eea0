package cmd

import (
	"encoding/json"
	"os"
)

// readFile reads a regular file of at most most bytes.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, errorf("it must be a file of at most %d MiB", most>>20)
	}
	return os.ReadFile(path)
}

const maxSchema = 1 << 20

// answerFormat asks for an answer that fits the JSON Schema in a file.
func answerFormat(path string) (json.RawMessage, error) {
	data, err := readFile(path, maxSchema)
	var schema map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &schema)
	}
	if err == nil && schema == nil {
		err = errorf("it holds no object")
	}
	if err != nil {
		return nil, wrongUsage("", "cannot read the JSON Schema %s: %v", path, err)
	}
	return json.Marshal(map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": schema}})
}
