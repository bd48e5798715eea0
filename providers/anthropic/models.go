package anthropic

import "strings"

// facts are what a model takes that others of its vendor do not. They follow
// Anthropic's migration guides: budgets and sampling went with 4.7, adaptive
// thinking and effort came with 4.6, system turns with Opus 4.8.
type facts struct {
	claude       bool // false: another vendor's model behind this format
	thinking     bool // takes thinking at all
	adaptive     bool // takes type adaptive and output_config.effort
	adaptiveOnly bool // refuses type enabled and type disabled
	alwaysThinks bool // cannot be told not to think
	xhigh        bool // takes effort xhigh
	noSampling   bool // refuses temperature, top_p and top_k
	oneSampling  bool // refuses temperature together with top_p
	strict       bool // takes strict tools
	system       bool // takes system turns among the messages
}

func factsOf(model string) facts {
	family, version := parseModel(model)
	if version == 0 {
		return facts{thinking: true}
	}
	return facts{
		claude:       true,
		thinking:     version >= 307,
		adaptive:     version >= 406,
		adaptiveOnly: version >= 407,
		alwaysThinks: version >= 500,
		xhigh:        version >= 407,
		noSampling:   version >= 407,
		oneSampling:  version >= 401,
		strict:       version >= 405,
		system:       version >= 408 && !(family == "sonnet" && version == 500),
	}
}

// parseModel finds family and version (4.6 is 406) in names such as
// claude-opus-4-6, claude-3-5-sonnet-20241022, us.anthropic.claude-sonnet-4-5-v1:0
// and claude-4.7-opus. Version 0: not a Claude name.
func parseModel(model string) (family string, version int) {
	_, name, ok := strings.Cut(strings.ToLower(model), "claude-")
	if !ok {
		return "", 0
	}
	numbers := 0
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-.@:_", r) }) {
		n, ok := smallNumber(part)
		switch {
		case !ok && part[0] >= 'a' && part[0] <= 'z' && len(part) > 2 && family == "":
			family = part
		case !ok && version > 0: // a date, or the v1 of a Bedrock name: no version follows
			return family, version
		case ok && numbers == 0:
			version, numbers = n*100, 1
		case ok && numbers == 1:
			version, numbers = version+n, 2
		}
	}
	return family, version
}

// smallNumber reads one or two digits.
func smallNumber(s string) (n int, ok bool) {
	if len(s) > 2 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
