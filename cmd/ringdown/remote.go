package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ringdown/api"
)

var _ api.Recordings = (*client)(nil)

// List walks the pages.
func (c *client) List(ctx context.Context, f api.RecordingFilter, emit func(api.Recording) error) error {
	query := filterQuery(f.Account, f.Since)
	query.Set("limit", "1000")
	for after := f.After; ; {
		if after != "" {
			query.Set("after", after)
		}
		var page struct {
			Recordings []api.Recording
			Next       string
		}
		if err := c.read(ctx, http.MethodGet, "/v1/recordings", query, &page); err != nil {
			return err
		}
		for _, r := range page.Recordings {
			if err := emit(r); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		if page.Next <= after { // a node that goes round in circles
			return fmt.Errorf("%s answers with the same page again", c.base.Host)
		}
		after = page.Next
	}
}

func (c *client) Manifest(ctx context.Context, id string) ([]byte, error) {
	res, err := c.do(ctx, http.MethodGet, "/v1/recordings/"+id, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(io.LimitReader(res.Body, answerLimit))
}

func (c *client) ExportWAV(ctx context.Context, id string, w io.Writer) error {
	res, err := c.do(ctx, http.MethodGet, "/v1/recordings/"+id+"/audio", url.Values{"format": {"wav"}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the audio broke off: %w", err)
	}
	return nil
}

func (c *client) Verify(ctx context.Context, id string) (v api.Verification, err error) {
	err = c.read(ctx, http.MethodGet, "/v1/recordings/"+id+"/verify", nil, &v)
	return v, err
}

// filterQuery leaves out what does not filter.
func filterQuery(account string, since time.Time) url.Values {
	query := url.Values{}
	if account != "" {
		query.Set("account", account)
	}
	if !since.IsZero() {
		query.Set("since", since.UTC().Format(time.RFC3339Nano))
	}
	return query
}
