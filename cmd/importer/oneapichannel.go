package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
)

// codingPlans are the names that new-api takes for addresses (its ChannelSpecialBases).
var codingPlans = map[string]string{
	"glm-coding-plan":               "https://open.bigmodel.cn/api/coding/paas/v4",
	"glm-coding-plan-international": "https://api.z.ai/api/coding/paas/v4",
	"kimi-coding-plan":              "https://api.kimi.com/coding/v1",
	"doubao-coding-plan":            "https://ark.cn-beijing.volces.com/api/coding/v3",
}

// secrets reads the keys of a channel, in the forms of its type; why is set where it has none.
func (o *oneAPI) secrets(a *api.AccountCreate, r row) (why string) {
	if strings.TrimSpace(r.text("key")) == "" {
		if info := o.info(a.Provider); info != nil && !info.NeedsKey {
			return ""
		}
		return "it has no key"
	}
	keys := o.pool(r)
	if len(keys) == 0 {
		return "all its keys are switched off there"
	}
	other, config := strings.TrimSpace(r.text("other")), r.object("config") // the latter one-api's
	switch a.Provider {
	case "azure":
		option(a, "api_version", cmp.Or(textOf(config["api_version"]), other))
	case "bedrock":
		if keys, why = o.awsKeys(a, r, keys); why != "" {
			return why
		}
	case "vertex":
		if r := strings.SplitN(r.text("key"), "|", 3); len(r) == 3 { // one-api's: region, project and account
			keys = []string{strings.TrimSpace(r[2])}
			option(a, "project", r[1])
			option(a, "region", r[0])
			break
		}
		var account struct {
			Project string `json:"project_id"`
		}
		_ = json.Unmarshal([]byte(keys[0]), &account)
		option(a, "project", account.Project)
		region := other
		if of := r.object("other"); of != nil { // new-api: by model
			region = ""
			_ = json.Unmarshal(of["default"], &region)
			if len(of) > 1 {
				o.plan.leave("an account has one region: make one for each of the others", "the regions of single models of channel %d", r.int("id"))
			}
		}
		option(a, "region", region)
	}
	if len(keys) == 1 {
		a.APIKey = keys[0]
		return ""
	}
	for _, k := range keys {
		a.APIKeys = append(a.APIKeys, api.AccountKey{Key: k})
	}
	return ""
}

func option(a *api.AccountCreate, name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if a.Options == nil {
		a.Options = map[string]json.RawMessage{}
	}
	a.Options[name], _ = json.Marshal(value)
}

// awsKeys brings the keys of a channel of AWS (ACCESS_KEY|SECRET|REGION, or KEY|REGION
// of Bedrock's own) into the form of this gateway; an account has one region.
func (o *oneAPI) awsKeys(a *api.AccountCreate, r row, keys []string) (out []string, why string) {
	region := ""
	for i, key := range keys {
		parts := strings.Split(key, "|")
		where := strings.TrimSpace(parts[len(parts)-1])
		switch {
		case len(parts) == 3:
			key = parts[0] + ":" + parts[1]
		case len(parts) == 2 && textOf(r.object("settings")["aws_key_type"]) == "api_key":
			key = parts[0]
		default:
			if len(keys) == 1 {
				return nil, "its key is not ACCESS_KEY|SECRET|REGION"
			}
			o.plan.leave("it is not ACCESS_KEY|SECRET|REGION", "key %d of channel %d", i+1, r.int("id"))
			continue
		}
		if region == "" {
			region = where
		}
		if where != region {
			o.plan.leave("it is of another region than the first: make an account of its own of it", "key %d of channel %d", i+1, r.int("id"))
			continue
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, "no key of it is ACCESS_KEY|SECRET|REGION"
	}
	option(a, "region", region)
	return out, ""
}

// pool returns the keys of a channel that are in use: lines, or the members of a JSON
// array. No key has lines but a service account's JSON, so several lines are several
// keys in whatever version.
func (o *oneAPI) pool(r row) []string {
	text := strings.Trim(r.text("key"), " \r\n\t")
	var members []json.RawMessage
	var lines []string
	switch {
	case strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &members) == nil:
		for _, m := range members {
			if s := textOf(m); s != "" {
				m = json.RawMessage(s)
			}
			lines = append(lines, string(m))
		}
	case strings.HasPrefix(text, "{") && json.Valid([]byte(text)):
		lines = []string{text}
	default:
		lines = strings.Split(text, "\n")
	}
	info := r.object("channel_info")
	var status map[string]int // by place, empty lines counted
	if string(info["is_multi_key"]) == "true" {
		_ = json.Unmarshal(info["multi_key_status_list"], &status)
	}
	keys := []string{}
	for i, k := range lines {
		if k = strings.TrimSpace(k); k == "" || slices.Contains(keys, k) {
			continue
		}
		if s, off := status[strconv.Itoa(i)]; off && s != rowEnabled {
			o.plan.leave("it is switched off there", "key %d of channel %d", i+1, r.int("id"))
			continue
		}
		keys = append(keys, k)
	}
	return keys
}

// carriedSettings are the members of a channel's settings that are carried over or
// mean nothing here: what new-api withholds from vendors unless it is allowed is the
// caller's to say, and lists of models are read anew.
var carriedSettings = []string{"proxy", "region", "ak", "sk", "api_version", "vertex_ai_project_id", "vertex_ai_adc", "system_prompt_override", "vertex_key_type", "aws_key_type", "openrouter_enterprise", "allow_service_tier", "allow_inference_geo", "allow_speed",
	"allow_safety_identifier", "allow_include_obfuscation", "upstream_model_update_check_enabled", "upstream_model_update_auto_sync_enabled", "upstream_model_update_last_check_time",
	"upstream_model_update_last_detected_models", "upstream_model_update_last_removed_models", "upstream_model_update_ignored_models"}

// extras carries over what channels of new-api may have besides, or says why not.
func (o *oneAPI) extras(a *api.AccountCreate, r row, what string) {
	setting := r.object("setting")
	if proxy := textOf(setting["proxy"]); proxy != "" {
		a.Proxy = strings.Replace(strings.TrimSpace(proxy), "socks5://", "socks5h://", 1) // names are resolved there, as by new-api
	}
	o.headers(a, r, what)
	if set := r.object("param_override"); len(set) > 0 {
		if _, rules := set["operations"]; rules {
			o.plan.leave("they are rules; an account's params set, drop and rename members only", "the parameter overrides of %s", what)
		} else {
			o.plan.setParams(a, set, what)
		}
	}
	for column, why := range sorted(map[string]string{
		"system_prompt":       "prompts are the callers'",
		"status_code_mapping": "errors keep the meaning that upstreams give them",
	}) {
		if text := strings.TrimSpace(r.text(column)); text != "" && text != "{}" && text != "null" && !emptyMembers(text) {
			o.plan.leave(why, "%s of %s", column, what)
		}
	}
	for _, of := range []map[string]json.RawMessage{setting, r.object("settings"), r.object("config")} {
		for member, v := range sorted(of) {
			if !slices.Contains(carriedSettings, member) && !emptyMember(v) {
				o.plan.leave("this gateway has no such setting of an account", "%s of %s", member, what)
			}
		}
	}
}

// headers carries over fixed headers, and the organization that OpenAI is told.
func (o *oneAPI) headers(a *api.AccountCreate, r row, what string) {
	for h, v := range sorted(r.object("header_override")) {
		value := textOf(v)
		if value == "" || strings.ContainsAny(value, "{}") || strings.ContainsAny(h, "*{} ") || strings.HasPrefix(h, "re:") || strings.HasPrefix(h, "regex:") {
			o.plan.leave("headers of an account have fixed names and values", "the header override %s of %s", h, what)
			continue
		}
		setHeader(a, h, value)
	}
	if org := strings.TrimSpace(r.text("openai_organization")); org != "" && a.Provider == "openai" {
		setHeader(a, "OpenAI-Organization", org)
	}
}

func setHeader(a *api.AccountCreate, name, value string) {
	if a.Headers == nil {
		a.Headers = map[string]string{}
	}
	a.Headers[name] = value
}

// textOf is the text of a JSON string, "" of anything else.
func textOf(v json.RawMessage) (s string) {
	_ = json.Unmarshal(v, &s)
	return s
}

func emptyMember(v json.RawMessage) bool {
	return slices.Contains([]string{"", "null", "false", "0", `""`, "{}", "[]"}, strings.TrimSpace(string(v)))
}

// emptyMembers reports whether text is a JSON object that says nothing.
func emptyMembers(text string) bool {
	var of map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &of) != nil {
		return false
	}
	for _, v := range of {
		if !emptyMember(v) {
			return false
		}
	}
	return true
}

// leaveOptions names the options that change what is charged or allowed and are not carried over.
func (o *oneAPI) leaveOptions() {
	for option, why := range sorted(map[string]string{
		"GroupGroupRatio":      "a key has one markup here, that of its group",
		"ImageRatio":           "this gateway's own prices of image tokens hold",
		"AudioRatio":           "this gateway's own prices of audio tokens hold",
		"AudioCompletionRatio": "this gateway's own prices of audio tokens hold",
	}) {
		if text := strings.TrimSpace(o.options[option]); text != "" && !emptyMembers(text) {
			o.plan.leave(why, "the option %s", option)
		}
	}
	if o.options["ModelRequestRateLimitEnabled"] == "true" {
		o.plan.leave("limit keys, groups or all with `ai-gateway quota set`", "the option ModelRequestRateLimitEnabled")
	}
	for option, v := range sorted(o.options) {
		if strings.HasPrefix(option, "billing_setting.") && v != "" && !emptyMembers(v) {
			o.plan.leave("write what it says as prices of the account: `ai-gateway models price set`", "the option %s", option)
		}
	}
	if o.perUnit().Cmp(pointsOfUSD) != 0 {
		o.plan.note("QuotaPerUnit is %s there: quota is taken over by what ratios charge, %d points a dollar, and prices by request in proportion.", o.options["QuotaPerUnit"], pointsPerUSD)
	}
}

func (o *oneAPI) leaveSubscriptions(rows []row) {
	for _, r := range rows {
		if user, ok := o.users[r.int("user_id")]; ok && r.text("status") == "active" && (r.int("end_time") == 0 || r.int("end_time") > o.now.Unix()) {
			o.plan.leave("this gateway sells nothing: give the group a budget with `ai-gateway quota set`", "the subscription %d of the user %q", r.int("id"), user.text("username"))
		}
	}
}

func groupsOf(r row) []string {
	groups := csv(r.text("group"))
	if len(groups) == 0 {
		groups = []string{usualGroup}
	}
	return groups
}

// usualGroup is the group of rows that name none.
const usualGroup = "default"

// A reach is which models the groups of one-api lead to, by the channels that are on.
type reach struct {
	models   map[string][]string // by group
	all      []string
	channels []reached
}

type reached struct {
	what   string
	groups []string
	models []string
}

func (x *reach) add(what string, groups []string, models api.AccountModels) {
	c := reached{what: what, groups: groups}
	for _, m := range models {
		c.models = append(c.models, m.Name)
	}
	if x.models == nil {
		x.models = map[string][]string{}
	}
	for _, g := range groups {
		x.models[g] = append(x.models[g], c.models...)
	}
	x.all = append(x.all, c.models...)
	x.channels = append(x.channels, c)
}

func (x *reach) sort() {
	single := func(list []string) []string {
		slices.Sort(list)
		return slices.Compact(list)
	}
	for g := range x.models {
		x.models[g] = single(x.models[g])
	}
	x.all = single(x.all)
}

// crossed names the channels of which a group could use a model without being theirs.
func (x *reach) crossed() (out []string) {
	for _, c := range x.channels {
		for g, models := range x.models {
			if !slices.Contains(c.groups, g) && slices.ContainsFunc(c.models, func(m string) bool { _, ok := slices.BinarySearch(models, m); return ok }) {
				out = append(out, c.what)
				break
			}
		}
	}
	return out
}

// of returns the models that a key of a group may ask for, of those it is limited to:
// none is all. why is set where that is nothing.
func (x *reach) of(group string, limits []string) (models []string, why string) {
	has := x.models[group]
	switch {
	case len(x.all) == 0: // nothing is carried over that a group could be told by
		return limits, ""
	case len(has) == 0:
		return nil, fmt.Sprintf("its group %q leads to no channel that is on and carried over", group)
	case slices.Equal(has, x.all):
		models = limits
	case len(limits) == 0:
		models = has
	default:
		for _, m := range limits {
			if slices.ContainsFunc(has, func(of string) bool { return covers(of, m) }) {
				models = append(models, m)
			}
		}
		if len(models) == 0 {
			return nil, fmt.Sprintf("its group %q leads to none of its models", group)
		}
	}
	if len(models) > api.MaxKeyModels {
		return nil, fmt.Sprintf("it may ask for %d models, and a key names at most %d: make it with patterns", len(models), api.MaxKeyModels)
	}
	return models, ""
}
