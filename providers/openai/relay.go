package openai

import "github.com/your-org/ai-api-gateway/providers"

// relayIngress serves the operations that are passed on and never translated.
type relayIngress struct {
	chatIngress
	op providers.Op
}

// RelayIngress returns the OpenAI way to ask for an operation that is relayed
// only (completions, embeddings, images, audio, moderations, rerank): Peek and the
// errors work as for chat, but messages are not demanded; translation does not exist.
func RelayIngress(op providers.Op) providers.Ingress { return relayIngress{op: op} }

func (relayIngress) Peek(body []byte) (p providers.Peek, err error) {
	err = peek(&p, body, false)
	return p, err
}

func (r relayIngress) DecodeRequest([]byte) (*providers.Request, error) {
	return nil, r.untranslated()
}

func (r relayIngress) AppendResponse(dst []byte, _ *providers.Response) ([]byte, error) {
	return dst, r.untranslated()
}

// NewEncoder returns an encoder that can only fail.
func (r relayIngress) NewEncoder(providers.EncodeOptions) providers.Encoder {
	return relayEncoder{r}
}

func (r relayIngress) untranslated() *providers.Error {
	return &providers.Error{Kind: providers.KindNotImplemented, Code: "not_implemented",
		Message: "cannot translate operation " + string(r.op) + ": it is relayed to upstreams that speak OpenAI's format"}
}

type relayEncoder struct{ in relayIngress }

func (e relayEncoder) Append(dst []byte, _ *providers.Event) []byte { return dst }
func (e relayEncoder) End(dst []byte) []byte                        { return e.Fail(dst, e.in.untranslated()) }
func (e relayEncoder) Fail(dst []byte, err *providers.Error) []byte {
	return e.in.AppendStreamError(dst, err)
}
