package events

import "embed"

// Schemas holds the JSON Schemas (2020-12): schema/envelope.json,
// schema/common.json and one file for the payload of each type.
//
//go:embed schema/*.json
var Schemas embed.FS

// SchemaID is the dataschema of a type and the $id of its file in [Schemas].
func SchemaID(t string) string { return "urn:ringdown:event:" + Version + ":" + t }
