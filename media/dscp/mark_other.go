//go:build !unix

package dscp

// MarkFD does nothing: this system has a policy for that and no socket option.
func (c Class) MarkFD(int) error { return nil }
