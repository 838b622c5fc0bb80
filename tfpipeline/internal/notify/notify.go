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
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// attempts of one message.
	attempts = 4
	// within bounds one message, its attempts and the waits between them.
	within = 10 * time.Second
	// answerWithin bounds one attempt.
	answerWithin = 4 * time.Second
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
		// Discord offers a second address that takes Slack's format.
		discord: discord && !strings.HasSuffix(u.Path, "/slack"),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Post sends a text within 10 seconds. It escapes mentions, so that no text
// notifies a person or a channel.
func (w *Webhook) Post(ctx context.Context, text string) error {
	content, err := json.Marshal(w.message(text))
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the webhook did not take the message within %s", within))
	defer cancel()
	_, err = backoff.Retry(bounded, func() (struct{}, error) {
		return struct{}{}, w.send(bounded, content)
	}, backoff.WithMaxTries(attempts), backoff.WithMaxElapsedTime(within))
	if e, ok := errors.AsType[*backoff.RetryAfterError](err); ok {
		err = fmt.Errorf("the webhook wants to be left alone for %s", e.Duration)
	}
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
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

// send makes one attempt. Its error does not quote the receiver's answer,
// which may repeat the address.
func (w *Webhook) send(ctx context.Context, content []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(content))
	if err != nil {
		return backoff.Permanent(errors.New("the webhook's address is not a URL"))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		if seconds, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64); err == nil && seconds > 0 {
			return &backoff.RetryAfterError{Duration: time.Duration(seconds * float64(time.Second))}
		}
	}
	err = fmt.Errorf("the webhook answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < http.StatusInternalServerError {
		return backoff.Permanent(err)
	}
	return err
}
