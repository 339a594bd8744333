package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"ringdown/routing"
)

// keeping is what an import must not lose: the keys of numbers that are there
// already and that a row of CSV cannot say (recording, limits and more).
type keeping struct {
	commit uint64 // of the node's table when it was read
	of     map[string]map[string]json.RawMessage
	local  map[string]routing.TrackingNumber // of a file, in the place of a node
}

// sayable are the keys that a row of CSV can say, and so says.
var sayable = func() (keys []string) {
	t := reflect.TypeFor[numbered]()
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}()

func numberKey(number string, from routing.Instant) string { return number + "@" + from.String() }

// commit is the one that a node's table is of: the base of a change that is made of
// what is read behind it.
func (c *client) commit(ctx context.Context) (uint64, error) {
	var status struct {
		Commit uint64 `json:"commit"`
	}
	err := c.read(ctx, http.MethodGet, "/v1/directory", nil, &status)
	return status.Commit, err
}

// keepings reads from a node what the numbers that are wanted have beyond CSV.
func (c *client) keepings(ctx context.Context, wanted map[string]bool) (k keeping, err error) {
	at, err := c.commit(ctx)
	if err != nil {
		return k, err
	}
	k = keeping{commit: at, of: map[string]map[string]json.RawMessage{}}
	for n, err := range c.numbers(ctx) {
		if err != nil {
			return k, err
		}
		key := numberKey(n.Number, n.ValidFrom)
		if !wanted[key] {
			continue
		}
		var has map[string]json.RawMessage
		if err := json.Unmarshal(n.raw, &has); err != nil {
			return k, fmt.Errorf("what the node says of a number cannot be read: %w", err)
		}
		for _, said := range sayable {
			delete(has, said)
		}
		if len(has) > 0 {
			k.of[key] = has
		}
	}
	return k, nil
}

// object is a row as it is put: over what the number has beyond CSV. kept: there
// is such, and the change holds for the table it was read from only.
func (k keeping) object(n routing.TrackingNumber) (put any, kept bool, err error) {
	has := k.of[numberKey(n.Number, n.ValidFrom)]
	if has == nil {
		return numberedOf(n), false, nil
	}
	text, err := json.Marshal(numberedOf(n))
	if err != nil {
		return nil, true, err
	}
	all := map[string]json.RawMessage{}
	for key, value := range has {
		all[key] = value
	}
	return all, true, json.Unmarshal(text, &all)
}

// over is object for the table of a file.
func (k keeping) over(n routing.TrackingNumber) routing.TrackingNumber {
	next, ok := k.local[numberKey(n.Number, n.ValidFrom)]
	if !ok {
		return n
	}
	next.Number, next.Account, next.Flow, next.Pool, next.State = n.Number, n.Account, n.Flow, n.Pool, n.State
	next.ValidFrom, next.ValidUntil = n.ValidFrom, n.ValidUntil
	next.Trunks, next.Regulatory, next.Attribution = n.Trunks, n.Regulatory, n.Attribution
	return next
}
