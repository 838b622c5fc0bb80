package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	made, url, ended := 0, make(chan string, 1), make(chan error, 1)
	var failure error
	go func() {
		ended <- Serve(ctx, Options{Address: "127.0.0.1:0", Every: time.Hour, Started: func(u string) { url <- u }, Render: func(context.Context) ([]byte, error) {
			made++
			return fmt.Appendf(nil, "<p>%d</p>", made), failure
		}})
	}()
	base := <-url
	get := func(method, address, host string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	for range 3 { // it is made a single time
		res, body := get(http.MethodGet, base, "")
		if res.StatusCode != http.StatusOK || body != "<p>1</p>" || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s %v: %s", res.Status, res.Header, body)
		}
	}
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{http.MethodGet, "favicon.ico", "", http.StatusNotFound},
		{http.MethodPost, "", "", http.StatusMethodNotAllowed},
		{http.MethodGet, "", "evil.example", http.StatusMisdirectedRequest},
	} {
		if res, _ := get(c.method, base+c.path, c.host); res.StatusCode != c.want {
			t.Errorf("%s /%s of %q: %s, want %d", c.method, c.path, c.host, res.Status, c.want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("an interrupt is an error: %v", err)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/")
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); err == nil {
		t.Error("the port still answers")
	}
}

// A page is made anew after its time; a failure is told, and the next try may
// succeed.
func TestPagesAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		p := &pages{Options: Options{Every: time.Minute, Render: func(context.Context) ([]byte, error) {
			if made++; made == 2 {
				return nil, errors.New("no answer")
			}
			return fmt.Append(nil, made), nil
		}}}
		for _, want := range []string{"1", "1", "no answer", "3"} {
			page, err := p.get(t.Context())
			if got := string(page); err != nil && err.Error() != want || err == nil && got != want {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
			time.Sleep(59 * time.Second)
			if want == "1" && made == 1 {
				continue
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestServeRefusesOtherInterfaces(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":8080", "192.0.2.1:80", "example.org:80", "127.0.0.1"} {
		err := Serve(t.Context(), Options{Address: address})
		if err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
