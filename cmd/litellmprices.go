package cmd

import (
	"encoding/json"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
)

// litellmProviders maps litellm_provider to our names where they differ.
var litellmProviders = map[string]string{
	"text-completion-openai": "openai", "azure_ai": "azure", "azure_text": "azure", "bedrock_converse": "bedrock", "bedrock_mantle": "bedrock",
	"together_ai": "together", "fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks", "cohere_chat": "cohere", "dashscope": "qwen",
	"volcengine": "doubao", "vercel_ai_gateway": "vercel", "hosted_vllm": "vllm", "vertex_ai": "vertex",
}

// litellmRates maps the members of an entry, USD for one unit, to rates. A picture,
// a second and a query are scaled to the units of the rates.
var litellmRates = map[string]struct {
	rate  string
	scale int64 // units of the rate in one of the member's
}{
	"input_cost_per_token": {"input", 1}, "output_cost_per_token": {"output", 1}, "cache_read_input_token_cost": {"cache_read", 1},
	"cache_creation_input_token_cost": {"cache_write_5m", 1}, "cache_creation_input_token_cost_above_1hr": {"cache_write_1h", 1},
	"output_cost_per_reasoning_token": {"reasoning", 1}, "input_cost_per_audio_token": {"input_audio", 1}, "output_cost_per_audio_token": {"output_audio", 1},
	"input_cost_per_image_token": {"input_image", 1}, "output_cost_per_image_token": {"output_image", 1},
	"output_cost_per_image": {"image", 1}, "input_cost_per_second": {"audio_ms", 1000}, "input_cost_per_character": {"character", 1},
	"input_cost_per_query": {"search_unit", 1}, "input_cost_per_request": {"request", 1},
}

var litellmOps = map[string]string{
	"": "chat", "chat": "chat", "responses": "chat", "completion": "completions", "embedding": "embeddings", "image_generation": "images",
	"audio_transcription": "audio", "audio_speech": "audio", "moderation": "moderations", "rerank": "rerank",
}

// litellmPrices reads a price list in LiteLLM's format: an object of model names,
// each an object of prices in USD for one unit. skipped counts the entries that are
// of no known provider, of no operation that is priced, or have no price. A price
// that is no number, or negative, is an error that names the entry: then none is taken.
func litellmPrices(data []byte, known []api.ProviderInfo, only string) (rows []api.PriceRow, skipped int, err error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, 0, errorf("the file is no price list in LiteLLM's format: %w", err)
	}
	names := map[string]bool{}
	for _, p := range known {
		names[p.Name] = true
	}
	seen := map[api.PriceRef]bool{}
	for key, raw := range entries {
		if key == "sample_spec" {
			continue
		}
		row, ok, err := litellmEntry(key, raw, names)
		if err != nil {
			return nil, 0, errorf("entry %q: %w", cleanText(key), err)
		}
		ref := api.PriceRef{Provider: row.Provider, Model: row.Model}
		if !ok || only != "" && row.Provider != only || seen[ref] {
			skipped++
			continue
		}
		seen[ref] = true
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b api.PriceRow) int {
		return strings.Compare(a.Provider+"\x00"+a.Model, b.Provider+"\x00"+b.Model)
	})
	return rows, skipped, nil
}

func litellmEntry(key string, raw json.RawMessage, names map[string]bool) (row api.PriceRow, ok bool, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return row, false, errorf("it is no object")
	}
	var provider, mode string
	_ = json.Unmarshal(members["litellm_provider"], &provider) // "" where it is none
	_ = json.Unmarshal(members["mode"], &mode)
	if ours := litellmProviders[provider]; ours != "" {
		provider = ours
	}
	if strings.HasPrefix(provider, "vertex_ai-") {
		provider = "vertex"
	}
	row = api.PriceRow{Provider: provider, Model: key, Operation: litellmOps[mode], Rates: api.Rates{}, Source: "litellm price list"}
	if head, tail, cut := strings.Cut(key, "/"); cut && (head == provider || litellmProviders[head] == provider || names[head]) {
		row.Model = tail
	}
	if !names[provider] || row.Operation == "" {
		return row, false, nil
	}
	row.Context, row.MaxOutput = whole(members["max_input_tokens"]), whole(members["max_output_tokens"])
	tiers := map[int64]api.Rates{}
	for name, v := range members {
		base, above, tiered := strings.Cut(name, "_above_")
		kind, isRate := litellmRates[name]
		into := row.Rates
		if !isRate && tiered {
			k, tokens := strings.CutSuffix(above, "k_tokens")
			n, err := strconv.ParseInt(k, 10, 32)
			if kind, isRate = litellmRates[base]; !isRate || !tokens || err != nil {
				continue
			}
			if tiers[n*1000] == nil {
				tiers[n*1000] = api.Rates{}
			}
			into = tiers[n*1000]
		}
		if !isRate || string(v) == "null" {
			continue
		}
		usd, err := perMillion(v, kind.scale)
		if err != nil {
			return row, false, errorf("%s: %w", name, err)
		}
		into[kind.rate] = usd
	}
	row.Tiers = orderedTiers(row.Rates, tiers)
	return row, len(row.Rates) > 0, nil
}

// orderedTiers completes tiers with the rates that they do not change.
func orderedTiers(base api.Rates, tiers map[int64]api.Rates) (out []api.RatesTier) {
	for above, rates := range tiers {
		out = append(out, api.RatesTier{Above: above, Rates: rates})
	}
	slices.SortFunc(out, func(a, b api.RatesTier) int { return int(a.Above - b.Above) })
	last := base
	for i := range out {
		for name, v := range last {
			if _, given := out[i].Rates[name]; !given {
				out[i].Rates[name] = v
			}
		}
		last = out[i].Rates
	}
	return out
}

// perMillion makes USD for one unit, a JSON number, USD for a million of them, to
// the nano-USD; scale is how many units of the rate one is.
func perMillion(v json.RawMessage, scale int64) (api.USD, error) {
	text := strings.Trim(string(v), `"`) // some entries write numbers as text
	f, _, err := big.ParseFloat(text, 10, 128, big.ToNearestEven)
	if err != nil || f.IsInf() || len(text) > 64 {
		return 0, errorf("%.40q is no price", text)
	}
	if f.Sign() < 0 {
		return 0, errorf("a price of %.40s is negative", text)
	}
	f.Mul(f, big.NewFloat(1e6)).Mul(f, big.NewFloat(1e9)).Quo(f, new(big.Float).SetInt64(scale))
	nano, _ := f.Add(f, big.NewFloat(0.5)).Int64()
	const most = 9_000_000_000 * 1_000_000_000
	if nano < 0 || nano > most {
		return 0, errorf("a price of %.40s USD for one is beyond what any vendor asks", text)
	}
	return api.USD(nano), nil
}

func whole(v json.RawMessage) int64 {
	f, err := strconv.ParseFloat(strings.Trim(string(v), `"`), 64)
	if err != nil || f < 0 || f > 1e12 {
		return 0
	}
	return int64(f)
}

// readBounded reads all of r, or refuses more than most bytes.
func readBounded(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, errorf("cannot read the file: %w", err)
	}
	if int64(len(data)) > most {
		return nil, errorf("the file is larger than %d MiB", most>>20)
	}
	return data, nil
}
