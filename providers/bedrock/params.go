package bedrock

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// writeInference writes inferenceConfig: the four settings all models share. The
// bound of the output may be left out, and is then the model's own.
func (w *requestWriter) writeInference() {
	maxTokens, temperature, topP, stop := w.r.MaxTokens, w.r.Temperature, w.r.TopP, w.r.Stop
	if w.claude {
		maxTokens, temperature, topP, stop = w.host.MaxTokens, w.host.Temperature, w.host.TopP, w.host.Stop
	}
	if temperature != nil && *temperature > 1 { // more than the format knows: sent as 1
		w.drop("temperature")
		one := 1.0
		temperature = &one
	}
	if maxTokens == nil && temperature == nil && topP == nil && len(stop) == 0 {
		return
	}
	w.dst = open(w.dst, "inferenceConfig")
	if maxTokens != nil {
		w.dst = wire.PutInt(w.dst, "maxTokens", *maxTokens)
	}
	if temperature != nil {
		w.dst = wire.PutFloat(w.dst, "temperature", *temperature)
	}
	if topP != nil {
		w.dst = wire.PutFloat(w.dst, "topP", *topP)
	}
	if len(stop) > 0 {
		w.dst = append(wire.Key(w.dst, "stopSequences"), '[')
		for _, s := range stop {
			w.dst = wire.AppendString(wire.Comma(w.dst), s)
		}
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, '}')
}

// writeModelFields writes what only a family of models takes, in its maker's words:
// top_k and thinking.
func (w *requestWriter) writeModelFields() {
	fields := []byte("{")
	topK, reasoning := w.r.TopK, w.asksReasoning()
	switch w.family {
	case claudeFamily:
		topK, reasoning = w.host.TopK, false
		if topK != nil {
			fields = wire.PutInt(fields, "top_k", *topK)
		}
		if w.host.Thinking != nil {
			fields = wire.PutRaw(fields, "thinking", w.host.Thinking)
		}
		topK = nil
	case novaFamily, nova2Family:
		if topK != nil {
			fields = append(wire.PutInt(open(fields, "inferenceConfig"), "topK", *topK), '}')
			topK = nil
		}
		if effort := w.novaEffort(); reasoning && w.family == nova2Family {
			fields, reasoning = open(fields, "reasoningConfig"), false
			if effort == "" {
				fields = append(wire.PutString(fields, "type", "disabled"), '}')
			} else {
				fields = append(wire.PutString(wire.PutString(fields, "type", "enabled"), "maxReasoningEffort", effort), '}')
			}
		}
	case openaiFamily:
		if effort := w.plainEffort(); reasoning && effort != "" {
			fields, reasoning = wire.PutString(fields, "reasoning_effort", effort), false
		}
	case mistralFamily:
		if topK != nil {
			fields, topK = wire.PutInt(fields, "top_k", *topK), nil
		}
	}
	if topK != nil {
		w.drop("top_k")
	}
	if reasoning && !w.thinksNot() {
		w.drop(w.reasoningName())
	}
	if w.r.Reasoning != nil && !w.asksReasoning() { // members that steer thinking in ways nobody else has
		wire.EachMember(w.r.Reasoning.Raw, func(name, _ []byte) bool {
			w.drop(string(name))
			return true
		})
	}
	if len(fields) > 1 {
		w.dst = wire.PutRaw(w.dst, "additionalModelRequestFields", append(fields, '}'))
	}
	if w.claude && len(w.host.Stop) > 0 { // which one matched is told on demand
		w.dst = append(wire.Key(w.dst, "additionalModelResponseFieldPaths"), `["/stop_sequence"]`...)
	}
}

func (w *requestWriter) asksReasoning() bool {
	t := w.r.Reasoning
	return t != nil && (t.Mode != "" || t.Effort != "" || t.Budget != nil)
}

// thinksNot reports whether the caller wants no thinking.
func (w *requestWriter) thinksNot() bool {
	t := w.r.Reasoning
	return t.Mode == "disabled" || t.Effort == "none" || t.Budget != nil && *t.Budget == 0
}

func (w *requestWriter) reasoningName() string {
	switch w.r.Origin {
	case providers.Chat:
		return "reasoning_effort"
	case providers.Messages:
		return "thinking"
	}
	return "reasoning"
}

// plainEffort returns low, medium or high; "" where no thinking is wanted.
func (w *requestWriter) plainEffort() string {
	t := w.r.Reasoning
	if t == nil || w.thinksNot() {
		return ""
	}
	switch t.Effort {
	case "minimal", "low":
		return "low"
	case "high", "xhigh", "max":
		return "high"
	case "":
		switch {
		case t.Budget == nil || *t.Budget < 0:
		case *t.Budget <= 2048:
			return "low"
		case *t.Budget > 8192:
			return "high"
		}
	}
	return "medium"
}

// novaEffort returns Nova's effort: the highest one is refused beside a bound of
// the output or sampling, which are what the caller asked for.
func (w *requestWriter) novaEffort() string {
	effort := w.plainEffort()
	if effort == "high" && (w.r.MaxTokens != nil || w.r.Temperature != nil || w.r.TopP != nil) {
		w.drop(w.reasoningName())
		return "medium"
	}
	return effort
}

// writeOutput writes outputConfig: the schema of structured output, as a string,
// and the effort of a Claude model.
func (w *requestWriter) writeOutput() {
	f := w.r.Format
	schema := f != nil && f.Kind == "json_schema" && len(f.Schema) > 0
	if !schema && w.host.Effort == "" {
		return
	}
	w.dst = open(w.dst, "outputConfig")
	if w.host.Effort != "" {
		w.dst = wire.PutString(w.dst, "effort", w.host.Effort)
	}
	if schema {
		w.dst = wire.PutString(open(w.dst, "textFormat"), "type", "json_schema")
		answer := f.Schema
		if w.claude {
			answer = anthropic.ClosedSchema(answer)
		}
		w.dst = wire.PutString(open(open(w.dst, "structure"), "jsonSchema"), "schema", string(answer))
		if f.Name != "" {
			w.dst = wire.PutString(w.dst, "name", f.Name)
		}
		if f.Description != "" {
			w.dst = wire.PutString(w.dst, "description", f.Description)
		}
		w.dst = append(w.dst, "}}}"...)
	}
	w.dst = append(w.dst, '}')
}

func (w *requestWriter) writeServiceTier() {
	switch tier := w.r.ServiceTier; tier {
	case "", "auto":
	case "standard_only", "standard", "default", "priority", "flex", "reserved":
		if strings.HasPrefix(tier, "standard") {
			tier = "default"
		}
		w.dst = append(wire.PutString(open(w.dst, "serviceTier"), "type", tier), '}')
	default:
		w.drop("service_tier")
	}
}
