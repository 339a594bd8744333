package configs

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const maxSecret = 64 << 10

// resolve reads what a reference to a secret stands for; the second result says
// why it cannot. Neither the secret nor anything taken for a reference by
// mistake is ever repeated.
func resolve(ref string) (secret, msg string) {
	switch {
	case strings.HasPrefix(ref, "env:"):
		return fromEnv(strings.TrimPrefix(ref, "env:"))
	case strings.HasPrefix(ref, "file:"):
		return fromFile(strings.TrimPrefix(ref, "file:"))
	}
	return "", "must be a reference to the secret, file:PATH or env:NAME, not the secret itself"
}

func fromEnv(name string) (secret, msg string) {
	if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "", "is not env:NAME with the name of an environment variable"
	}
	value, set := os.LookupEnv(name)
	if !set {
		return "", fmt.Sprintf("environment variable %s is not set", name)
	}
	return clean(value, "environment variable "+name)
}

func fromFile(path string) (secret, msg string) {
	if path == "" {
		return "", "is not file:PATH with the path of a file"
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "cannot be read: " + err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", "cannot be read: " + err.Error()
	case !info.Mode().IsRegular():
		return "", path + " is not a file"
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Sprintf("%s can be read or written by everybody (mode %04o); make it 0600", path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", "cannot be read: " + err.Error()
	case len(data) > maxSecret:
		return "", path + " is larger than 64 KiB"
	}
	return clean(string(data), path)
}

// clean drops the line end that editors add.
func clean(secret, from string) (string, string) {
	secret = strings.TrimRight(secret, "\r\n")
	if secret == "" {
		return "", from + " is empty"
	}
	return secret, ""
}
