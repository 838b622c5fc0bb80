// Package notify posts one message to a webhook that Slack, Discord or
// something compatible with Slack's answers. The URL of a webhook is a secret:
// no error holds it.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// attempts of one message.
	attempts = 4
	// answerWithin bounds one attempt.
	answerWithin = 10 * time.Second
	// longest is the most that a receiver may ask to be waited for.
	longest = 30 * time.Second
	// slackLimit and discordLimit are characters of one message.
	slackLimit, discordLimit = 4000, 2000
)

// Webhook is where messages go.
type Webhook struct {
	url     string
	discord bool
	client  *http.Client
}

// New returns the webhook at a URL: https, or http on this machine. transport
// is how it is reached; nil means http.DefaultTransport.
func New(address string, transport http.RoundTripper) (*Webhook, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("the webhook's address is not a URL, such as https://hooks.slack.com/services/…")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("the webhook's address is not https: whoever reads it on the way can post as you")
	}
	host := strings.ToLower(u.Hostname())
	discord := host == "discord.com" || strings.HasSuffix(host, ".discord.com") || host == "discordapp.com"
	return &Webhook{
		url: address,
		// Discord has an address that takes what Slack's does.
		discord: discord && !strings.HasSuffix(u.Path, "/slack"),
		client: &http.Client{
			Transport: transport, Timeout: answerWithin,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Post sends a text. Whatever stands in it, it addresses nobody.
func (w *Webhook) Post(ctx context.Context, text string) error {
	content, err := json.Marshal(w.message(text))
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	pause := time.Second
	for attempt := 1; ; attempt++ {
		wait, err := w.try(ctx, content)
		if err == nil {
			return nil
		}
		if wait < 0 || attempt == attempts || ctx.Err() != nil {
			return fmt.Errorf("notify: %w", err)
		}
		timer := time.NewTimer(max(wait, pause/2+rand.N(pause/2)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("notify: %w", ctx.Err())
		}
		pause *= 2
	}
}

// message is the body that the receiver understands.
func (w *Webhook) message(text string) any {
	if w.discord {
		return map[string]any{
			"content":          cut(text, discordLimit),
			"allowed_mentions": map[string]any{"parse": []string{}},
		}
	}
	return map[string]string{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(cut(text, slackLimit))}
}

// cut shortens a text to so many characters.
func cut(text string, limit int) string {
	if r := []rune(text); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return text
}

// try sends it once. If that failed, wait is how long the receiver asks to be
// left alone, and less than 0 if there is no use in trying again.
func (w *Webhook) try(ctx context.Context, content []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(content))
	if err != nil {
		return -1, errors.New("the webhook's address is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	switch {
	case resp.StatusCode < http.StatusMultipleChoices:
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		seconds, _ := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64)
		wait = min(time.Duration(seconds*float64(time.Second)), longest)
	default:
		wait = -1
	}
	return wait, fmt.Errorf("the webhook answered %d: %s", resp.StatusCode, strings.Join(strings.Fields(string(said)), " "))
}
