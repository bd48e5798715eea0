package main_test

import (
	"fmt"
	"net/http"
	"time"
)

// sayWords streams n words as chat completions do, one each pause, and why they end. It
// returns false, at once, where the caller leaves before.
func sayWords(w http.ResponseWriter, r *http.Request, n int, pause time.Duration) bool {
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(inner string) {
		fmt.Fprintf(w, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,%s}]}\n\n", inner)
		w.(http.Flusher).Flush()
	}
	for range n {
		chunk(`"delta":{"content":"word "}`)
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return false
		}
	}
	chunk(`"delta":{},"finish_reason":"stop"`)
	return true
}
