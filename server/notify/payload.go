package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/your-org/ai-api-gateway/store"
)

// Templates lists the forms of a message: json for programs, the others for the chats
// of Slack, Feishu (飞书), DingTalk (钉钉) and WeCom (企业微信).
func Templates() []string { return []string{"json", "slack", "feishu", "dingtalk", "wecom"} }

type obj map[string]any

// encode writes a message in the form of a template.
func encode(template, gateway string, batch []Event) ([]byte, error) {
	var v any
	switch template {
	case "", "json":
		v = obj{"gateway": gateway, "events": batch}
	case "slack":
		v = obj{"text": text(gateway, batch)}
	case "feishu":
		v = obj{"msg_type": "text", "content": obj{"text": text(gateway, batch)}}
	case "dingtalk", "wecom":
		v = obj{"msgtype": "text", "text": obj{"content": text(gateway, batch)}}
	default:
		return nil, fmt.Errorf("unknown template %q", template)
	}
	return json.Marshal(v)
}

// maxText is what the strictest chat takes (WeCom: 2,048 bytes).
const maxText = 2000

// text is the message for people, a line an event.
func text(gateway string, batch []Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ai-gateway %s", gateway)
	for i, e := range batch {
		line := fmt.Sprintf("\n[%s] %s", e.Kind, strings.Join(strings.Fields(e.Message), " "))
		if b.Len()+len(line) > maxText-32 {
			fmt.Fprintf(&b, "\n… and %d more", len(batch)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// judge says whether a message was taken. Chats answer 200 also to what they refuse,
// and say so in the body: Feishu as code, DingTalk and WeCom as errcode.
func judge(status int, answer []byte) error {
	if status < 200 || status > 299 {
		return fmt.Errorf("the webhook answered %d", status)
	}
	var said struct {
		Code    int    `json:"code"`
		Msg     string `json:"msg"`
		ErrCode int    `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
	}
	if json.Unmarshal(answer, &said) != nil {
		return nil
	}
	if code, msg := said.Code+said.ErrCode, said.Msg+said.ErrMsg; code != 0 {
		return fmt.Errorf("the webhook refused the message: code %d %.200s", code, msg)
	}
	return nil
}

// scrubbed takes the address out of an error: its path is the chat's secret.
func scrubbed(err error, address store.SecretString) error {
	msg := strings.ReplaceAll(err.Error(), address.Reveal(), Shown(address))
	if u, bad := url.Parse(address.Reveal()); bad == nil && len(u.RequestURI()) > 1 {
		msg = strings.ReplaceAll(msg, u.RequestURI(), "/…")
	}
	return errors.New(msg)
}

// Shown is what may be shown of a webhook's address: where it is, not what opens it.
func Shown(address store.SecretString) string {
	u, err := url.Parse(address.Reveal())
	if address.Empty() || err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/…"
}
