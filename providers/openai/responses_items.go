package openai

import (
	"encoding/json"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// decodeInput reads the input: a string, which is a user's message, or items.
// What the model made (messages, calls, reasoning) and what stands together is one
// turn, as the results of one round are. The first block of each item has the item
// in Raw, with which the same dialect writes it back.
func decodeInput(r *providers.Request, v []byte) (err error) {
	switch {
	case isNull(v):
		return nil
	case isText(v):
		r.Messages = []providers.Message{{Role: providers.RoleUser, Blocks: []providers.Block{{Kind: providers.KindText, Text: text(v), Raw: asString, Origin: responses}}}}
		return nil
	case !wire.IsArray(v):
		return bad("input", "must be a string or a list of items")
	}
	n := 0
	wire.EachElement(v, func(item []byte) bool {
		if err = decodeItem(r, item); err != nil {
			err = within(err, index("input", n))
		}
		n++
		return err == nil
	})
	return err
}

func decodeItem(r *providers.Request, raw []byte) error {
	if !wire.IsObject(raw) {
		return bad("", "must be an object")
	}
	if len(raw) > 0 && at(raw, "type") == nil && at(raw, "role") == nil {
		if at(raw, "id") == nil {
			return bad("type", "is required")
		}
		return opaqueItem(r, raw) // an item_reference may leave its type out
	}
	switch typ := textAt(raw, "type"); typ {
	case "", "message":
		return messageItem(r, raw)
	case "function_call", "custom_tool_call":
		b, err := callItem(raw)
		if err != nil {
			return err
		}
		appendTurn(r, providers.RoleAssistant, b)
	case "function_call_output", "custom_tool_call_output":
		b, err := outputItem(raw)
		if err != nil {
			return err
		}
		appendTurn(r, providers.RoleTool, b)
	case "reasoning":
		appendTurn(r, providers.RoleAssistant, reasoningItem(raw))
	default:
		return opaqueItem(r, raw)
	}
	return nil
}

// appendTurn adds blocks to the turn at hand, or starts one.
func appendTurn(r *providers.Request, role providers.Role, blocks ...providers.Block) {
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == role {
		r.Messages[n-1].Blocks = append(r.Messages[n-1].Blocks, blocks...)
		return
	}
	r.Messages = append(r.Messages, providers.Message{Role: role, Blocks: blocks})
}

// opaqueItem keeps an item that only its vendor understands, on the side it is from.
func opaqueItem(r *providers.Request, raw []byte) error {
	typ := textAt(raw, "type")
	role := providers.RoleAssistant
	if strings.HasSuffix(typ, "_output") || typ == "additional_tools" || typ == "mcp_approval_response" {
		role = providers.RoleUser
	}
	b := providers.Block{Kind: providers.KindOpaque, ID: textAt(raw, "id"), Raw: raw, Origin: responses}
	if role == providers.RoleUser { // a user's turns are one message each
		r.Messages = append(r.Messages, providers.Message{Role: role, Blocks: []providers.Block{b}})
		return nil
	}
	appendTurn(r, role, b)
	return nil
}

func messageItem(r *providers.Request, raw []byte) error {
	blocks, err := itemContent(at(raw, "content"))
	if err != nil {
		return err
	}
	if len(blocks) == 0 {
		blocks = []providers.Block{{Kind: providers.KindText, Origin: responses}}
	}
	blocks[0].Raw = raw
	switch role := textAt(raw, "role"); role {
	case "user":
		r.Messages = append(r.Messages, providers.Message{Role: providers.RoleUser, Blocks: blocks})
	case "assistant":
		appendTurn(r, providers.RoleAssistant, blocks...)
	case "system", "developer":
		if len(r.Messages) == 0 {
			r.System = append(r.System, blocks...)
		} else {
			r.Messages = append(r.Messages, providers.Message{Role: providers.RoleSystem, Blocks: blocks})
		}
	case "":
		return bad("role", "is required")
	default:
		return bad("role", "must be user, assistant, system or developer")
	}
	return nil
}

// itemContent reads the content of a message or the output of a call: nothing, a string, or a list of parts.
func itemContent(v []byte) ([]providers.Block, error) {
	switch {
	case isNull(v):
		return nil, nil
	case isText(v):
		return []providers.Block{{Kind: providers.KindText, Text: text(v), Origin: responses}}, nil
	case !wire.IsArray(v):
		return nil, bad("content", "must be a string or a list of parts")
	}
	var blocks []providers.Block
	var err error
	wire.EachElement(v, func(elem []byte) bool {
		var b providers.Block
		if b, err = itemPart(elem); err != nil {
			err = within(err, index("content", len(blocks)))
			return false
		}
		blocks = append(blocks, b)
		return true
	})
	return blocks, err
}

// itemPart reads one part of a list. Raw is set only where nothing else says what the part is.
func itemPart(raw []byte) (providers.Block, error) {
	b := providers.Block{Origin: responses}
	if !wire.IsObject(raw) {
		return b, bad("", "must be an object")
	}
	b.Cache = at(raw, "cache_control")
	if textAt(raw, "prompt_cache_breakpoint", "mode") != "" {
		b.Cache = ephemeral
	}
	var err error
	switch textAt(raw, "type") {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text":
		b.Kind, b.Text = providers.KindText, textAt(raw, "text")
		if list := at(raw, "annotations"); at(list, "0") != nil {
			b.Citations = list
		}
	case "refusal":
		b.Kind, b.Text = providers.KindRefusal, textAt(raw, "refusal")
	case "input_image", "image_url":
		b.Kind, b.Detail, b.FileID = providers.KindImage, textAt(raw, "detail"), textAt(raw, "file_id")
		url := textAt(raw, "image_url")
		if url == "" { // chat's form
			url = textAt(raw, "image_url", "url")
		}
		switch {
		case url != "":
			place(&b, url)
		case b.FileID == "":
			err = bad("image_url", "is required")
		}
	case "input_file":
		err = inputFile(&b, raw)
	case "input_audio":
		err = audioInput(&b, raw)
	case "":
		err = bad("type", "is required")
	default:
		b.Kind, b.Raw = providers.KindOpaque, raw
	}
	return b, err
}

func inputFile(b *providers.Block, raw []byte) error {
	b.Kind = providers.KindFile
	b.Filename, b.FileID = textAt(raw, "filename"), textAt(raw, "file_id")
	if url := textAt(raw, "file_url"); url != "" {
		place(b, url)
		return nil
	}
	data := textAt(raw, "file_data")
	if data == "" {
		if b.FileID == "" {
			return bad("file_data", "is required, or file_url, or file_id")
		}
		return nil
	}
	return fileData(b, data, "file_data")
}

func callItem(raw []byte) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindToolCall, Origin: responses, Raw: raw, ID: textAt(raw, "call_id")}
	b.ToolName = flatName(textAt(raw, "namespace"), textAt(raw, "name"))
	if textAt(raw, "type") == "custom_tool_call" {
		b.Custom, b.Text = true, textAt(raw, "input")
	} else if b.Args = arguments(at(raw, "arguments")); b.Args == nil {
		b.Args = json.RawMessage("{}")
	}
	switch {
	case b.ID == "":
		return b, bad("call_id", "is required")
	case b.ToolName == "":
		return b, bad("name", "is required")
	}
	return b, nil
}

func outputItem(raw []byte) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindToolResult, Origin: responses, Raw: raw, ID: textAt(raw, "call_id")}
	if b.ID == "" {
		return b, bad("call_id", "is required")
	}
	out := at(raw, "output")
	if wire.IsObject(out) { // some clients send what the tool returned as it is
		b.Result = []providers.Block{{Kind: providers.KindText, Text: string(out), Origin: responses}}
		return b, nil
	}
	var err error
	if b.Result, err = itemContent(out); err != nil {
		e := err.(*providers.Error)
		e.Param = "output" + strings.TrimPrefix(e.Param, "content")
	}
	return b, err
}

// reasoningItem reads what a model thought: its content, where the vendor shows
// it, else the summary; and the encrypted form, which is its signature.
func reasoningItem(raw []byte) providers.Block {
	b := providers.Block{Kind: providers.KindThinking, Origin: responses, Raw: raw, ID: textAt(raw, "id")}
	b.Text = partsText(at(raw, "content"), "")
	if b.Text == "" {
		b.Text = partsText(at(raw, "summary"), summaryBreak)
	}
	unseal(&b, textAt(raw, "encrypted_content"))
	return b
}

// summaryBreak parts the sections of a summary where they become one text.
const summaryBreak = "\n\n"

func partsText(list []byte, sep string) string {
	var s strings.Builder
	wire.EachElement(list, func(elem []byte) bool {
		if s.Len() > 0 {
			s.WriteString(sep)
		}
		s.WriteString(textAt(elem, "text"))
		return true
	})
	return s.String()
}
