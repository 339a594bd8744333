package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ringdown/configs"
	"ringdown/privacy/keys"
)

func runKeysStatus(_ context.Context, args []string, s stdio) int {
	o := newOptions("keys status", s)
	file := o.String("config", "", "configuration `FILE`; its key store is read here, with no node running or beside one")
	asJSON := o.forPrograms()
	return o.run(args, nil, func([]string) error {
		if *file == "" {
			return usagef("--config FILE is missing")
		}
		c, err := configs.Load(*file)
		if err != nil {
			return err
		}
		store, err := keys.Open(c.Keys, keys.Options{ReadOnly: true})
		if errors.Is(err, fs.ErrNotExist) {
			return noKeyStore(c)
		}
		if err != nil {
			return err
		}
		defer store.Close()
		status := store.Status()
		if *asJSON {
			err = writeJSON(s.out, status)
		} else {
			err = writeKeyStatus(s.out, status)
		}
		if err == nil && status.Fault != "" {
			return errSaid
		}
		return err
	})
}

func writeKeyStatus(w io.Writer, k keys.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "provider    %s, root keys in %s\n", k.Provider, k.Roots)
	fmt.Fprintf(&b, "region      %s\n", k.Region)
	fmt.Fprintf(&b, "epoch       %d, since %s\n", k.Epoch, moment(k.Since))
	fmt.Fprintf(&b, "keys        of %s, %s and %s\n", count(k.Accounts, "account"), count(k.Subjects, "caller"), count(k.Recordings, "recording"))
	fmt.Fprintf(&b, "erased      %s\n", count(k.Erased, "recording"))
	if k.Fault != "" {
		fmt.Fprintf(&b, "fault       %s\n", clean(k.Fault))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func noKeyStore(c *configs.Config) error {
	return fmt.Errorf("there is no key store in %s: the node makes it at its first start", c.Keys.Dir)
}
