package openai

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// answerMembers are the top-level members of an answer that ReadAnswer looks at.
var answerMembers = wire.NewNames("model", "choices", "usage", "service_tier", "error", "data", "results", "x_groq")

// ReadAnswer reads a whole answer in one pass; see providers.AnswerReader.
func (e chatEgress) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	return readAnswer(e, body, u, "choices")
}

// readAnswer wants the member that makes an answer, unless it is "".
func readAnswer(e chatEgress, body []byte, u *providers.Usage, wants string) (providers.Answer, *providers.Error) {
	var few [8]wire.Field
	used := untold()
	fields, _, err := answerMembers.Survey(body, few[:0], &wire.Each{Name: "usage", F: used.member})
	if err != nil {
		return providers.Answer{}, malformed(err.Error())
	}
	var a providers.Answer
	found := wants == ""
	for i := range fields {
		f := &fields[i]
		v := body[f.Start:f.End]
		switch f.Name {
		case "error":
			if !isNull(v) {
				reported := e.DecodeError(0, body)
				if reported.Kind == "" {
					reported.Kind = providers.KindUpstream
				}
				return providers.Answer{}, reported
			}
		case "model":
			if v[0] == '"' {
				a.Model = providers.Span{Start: f.Start, End: f.End}
			}
		case "service_tier":
			u.Kind = tierOf(v)
		case "usage":
			a.HasUsage = wire.IsObject(v) && used.tell(u) || a.HasUsage
		case "x_groq":
			if !a.HasUsage {
				if raw := at(v, "usage"); wire.IsObject(raw) {
					a.HasUsage = readUsage(raw, u)
				}
			}
		}
		if f.Name == wants && v[0] == '[' && f.Count > 0 {
			found = true
		}
	}
	if !found {
		return providers.Answer{}, malformed("it has no " + wants)
	}
	return a, nil
}
