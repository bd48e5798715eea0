package gemini

import "strings"

// facts are what a model takes that others of its vendor do not, after Google's
// pages on thinking, thought signatures and OpenAI compatibility.
type facts struct {
	version    int  // 2.5 is 205; 0: no Gemini name
	thinks     bool // takes thinkingConfig
	levels     bool // steers thinking by level rather than by budget
	never      bool // cannot be told not to think
	minimal    bool // takes level MINIMAL
	medium     bool // takes level MEDIUM
	minBudget  int64
	maxBudget  int64
	jsonSchema bool // takes parametersJsonSchema and responseJsonSchema
	signs      bool // refuses calls without a thought signature
	richResult bool // takes media inside functionResponse
}

func factsOf(model string) facts {
	name := strings.ToLower(model)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	rest, ok := strings.CutPrefix(name, "gemini-")
	if !ok {
		return facts{}
	}
	f := facts{version: versionOf(rest)}
	pro, lite := strings.Contains(rest, "pro"), strings.Contains(rest, "lite")
	f.jsonSchema = f.version >= 200
	f.thinks = f.version >= 205
	if f.version == 205 && (strings.Contains(rest, "image") || strings.Contains(rest, "tts")) {
		f.thinks = false
	}
	f.levels, f.signs, f.richResult = f.version >= 300, f.version >= 300, f.version >= 300
	f.never = f.thinks && (pro || f.levels)
	f.minimal, f.medium = f.levels && !pro, f.levels && !(pro && f.version == 300)
	switch {
	case pro:
		f.minBudget, f.maxBudget = 128, 32768
	case lite:
		f.minBudget, f.maxBudget = 512, 24576
	default:
		f.minBudget, f.maxBudget = 1, 24576
	}
	return f
}

// latest is the version that names without a number (gemini-flash-latest) stand for.
const latest = 305

// versionOf reads the version behind "gemini-": 3.1-pro-preview is 301.
func versionOf(rest string) int {
	for part := range strings.SplitSeq(rest, "-") {
		major, minor, _ := strings.Cut(part, ".")
		if len(major) == 0 || len(major) > 2 || strings.Trim(major, "0123456789") != "" {
			continue
		}
		return number2(major)*100 + number2(minor)
	}
	return latest
}

// number2 reads up to two digits.
func number2(s string) (n int) {
	for i := 0; i < len(s) && i < 2 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
