package server

// sessionHeaders are those by which clients name their conversation, the most
// deliberate first: of gateways in general, Codex and its kin (session_id,
// thread_id), Claude Code, opencode.
var sessionHeaders = [...]string{
	"X-Session-Affinity", "X-Session-Id", "Session-Id", "Session_id", "Thread-Id", "Thread_id", "X-Thread-Id", "X-Claude-Code-Session-Id",
	"X-Opencode-Session", "Conversation_id", "Conversation-Id", "X-Conversation-Id",
}

// sessionOf returns what a caller calls his conversation; "" if he does not say.
func (c *call) sessionOf() string {
	for _, name := range sessionHeaders {
		if v := c.header(name); len(v) > 0 && len(v) <= 512 {
			return string(v)
		}
	}
	return ""
}
