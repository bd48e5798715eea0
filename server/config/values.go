package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/notify"
	"github.com/your-org/ai-api-gateway/server/upstream"

	"github.com/your-org/ai-api-gateway/store"
)

var units = []struct {
	suffix string
	bytes  int64
}{
	{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
	{"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1},
}

// parseSize reads a number of bytes: "4096", "32KiB", "100 MB".
func parseSize(text string) (int64, error) {
	number, factor := strings.ToLower(strings.TrimSpace(text)), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("must be a size such as 32MiB, not %q", text)
	}
	return n * factor, nil
}

func formatSize(n int64) string {
	for _, u := range units[:3] {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + map[int64]string{1 << 30: "GiB", 1 << 20: "MiB", 1 << 10: "KiB"}[u.bytes]
		}
	}
	return strconv.FormatInt(n, 10)
}

const day = 24 * time.Hour

var daysFirst = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// parseDuration reads Go's durations and days: "30s", "1h30m", "90d". "0" is zero.
func parseDuration(text string) (time.Duration, error) {
	var days time.Duration
	rest := text
	if m := daysFirst.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // five digits at most
		days, rest = time.Duration(n)*day, m[2]
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64-days {
		return 0, fmt.Errorf("must be a duration such as 30s, 5m or 90d, not %q", text)
	}
	return days + d, nil
}

func formatDuration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String() // "1h0m0s": without the zeros at the end
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("must be an address or a network such as 10.0.0.0/8, not %q", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func splitList(text string) []string {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("must be an address such as 127.0.0.1:8080, not %q", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		return fmt.Errorf("port of %q must be a number up to 65535", text)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.ContainsAny(host, " /@") || last != "" && strings.Trim(last, "0123456789") == "" && net.ParseIP(host) == nil {
		return fmt.Errorf("host of %q is no name and no address", text)
	}
	return nil
}

func checkOneListen(text string) error {
	if text == "" {
		return nil
	}
	return checkListen(text)
}

func checkZone(text string) error {
	if text == "" {
		return errors.New("must not be empty: name a zone such as UTC")
	}
	if _, err := time.LoadLocation(text); err != nil {
		return fmt.Errorf("unknown time zone %q: use a name such as Asia/Shanghai", text)
	}
	return nil
}

// checkWebhook accepts where notifications may go: as an account's base URL, with a
// path and a query, which are not repeated in the error for they are the secret.
func checkWebhook(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return errors.New("must be a URL such as https://hooks.example.com/…, without a user")
	}
	return checkBaseURL(u.Scheme + "://" + u.Host)
}

// checkKind accepts a kind of notification.
func checkKind(text string) error {
	if kinds := notify.Kinds(); !slices.Contains(kinds, text) {
		return fmt.Errorf("must be one of %s, not %q%s", strings.Join(kinds, ", "), text, suggest(text, kinds))
	}
	return nil
}

// checkProxy accepts what an upstream call can go through.
func checkProxy(text string) error {
	if text == "" || text == "direct" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("must be a proxy's URL or 'direct', not %q", maskURL(text))
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return nil
	}
	return fmt.Errorf("proxy scheme must be http, https, socks5 or socks5h, not %q", u.Scheme)
}

// checkDatabase accepts the address of a Postgres database. A password stands in
// its place of the URL, where it is known to be one.
func checkDatabase(text string) error {
	if text == "" {
		return nil
	}
	return store.CheckDatabaseURL(text)
}

// checkOrigin accepts an origin as browsers name it, or "*".
func checkOrigin(text string) error {
	if text == "*" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != text {
		return fmt.Errorf("must be an origin such as https://chat.example.com or *, not %q", maskURL(text))
	}
	return nil
}

// checkURL accepts an http or https URL with a host.
func checkURL(text string) error {
	if u, err := url.Parse(text); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("must be a URL such as https://gateway.example.com, not %q", maskURL(text))
	}
	return nil
}

// checkAdvertised accepts the URL of a gateway, or nothing, as a container's
// environment has it where it is not set.
func checkAdvertised(text string) error {
	if text == "" {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || checkURL(text) != nil {
		return fmt.Errorf("must be a URL such as http://10.0.0.7:8080, not %q", maskURL(text))
	}
	return nil
}

// checkBaseURL accepts what an account may call, as the admin API does: any host an
// administrator writes, but none that only serves attacks (link-local, metadata, multicast).
func checkBaseURL(text string) error {
	if err := upstream.CheckBaseURL(text); err != nil {
		return fmt.Errorf("must be a URL such as https://api.openai.com/v1: %w", err)
	}
	return nil
}

func atLeast(least int64) func(string) error {
	return func(text string) error {
		n, err := parseSize(text)
		if err == nil && n < least {
			return fmt.Errorf("must be at least %s, not %s", formatSize(least), text)
		}
		return nil // what is no number, assign tells
	}
}

func positive(text string) error {
	if d, err := parseDuration(text); err == nil && d == 0 {
		return errors.New("must be more than 0")
	}
	return nil
}

// maskURL hides the password of a URL, for messages.
func maskURL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	return scheme + "://[redacted]" + rest[at:]
}

// defaultDataDir is systemd's state folder, else the user's data folder. "" if neither is known.
func defaultDataDir(env *environ) string {
	if dirs, _ := env.get("STATE_DIRECTORY"); dirs != "" {
		first, _, _ := strings.Cut(dirs, ":")
		return first
	}
	if dir, _ := env.get("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ai-gateway")
	}
	if runtime.GOOS == "windows" {
		if dir, _ := env.get("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "ai-gateway")
		}
	}
	if home, _ := env.get("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "ai-gateway")
	}
	return ""
}
