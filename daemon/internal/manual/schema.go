package manual

import (
	"regexp"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// object is a piece of a schema; encoding/json writes its keys in alphabetical order.
type object = map[string]any

// draft is the dialect that the schemas are written in.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Schema returns the JSON Schema of a whole configuration: an object with a file's settings under its name.
//
// A file that is made of settings is an object by section and key; the section "" is the one before the first. Values
// are strings, booleans, whole numbers and lists of strings. This is the form that
// the vectors of the package render have. Any other file is its text.
//
// It accepts whatever the checker accepts as a file's own sections, keys and values. It cannot say all that the checker does: what
// several files say together, owners and modes, or what stands in a file that is text.
func Schema() map[string]any {
	exact, patterns := object{}, object{}
	for _, k := range spec.Kinds() {
		if strings.Contains(k.Pattern, "*") {
			patterns[globExpression(k.Pattern)] = fileSchema(k, true)
		} else {
			exact[k.Pattern] = fileSchema(k, true)
		}
		if k.Dialect == spec.DialectEnv {
			patterns["^/"] = NodeFileSchema()
		}
	}
	delete(patterns["^/"].(object), "$schema")
	return object{"$schema": draft, "title": "FastX configuration",
		"description": "All files of FX_CONFIG_DIR by their names, and the node file by its absolute name.",
		"type":        "object", "properties": exact, "patternProperties": patterns, "additionalProperties": false}
}

// FileSchema returns the JSON Schema of one kind of file, as it has under its name in Schema.
func FileSchema(k spec.Kind) map[string]any {
	out := fileSchema(k, true)
	out["$schema"] = draft
	return out
}

// NodeFileSchema returns the JSON Schema of the node file: that of fastx.env with what is one node's alone.
func NodeFileSchema() map[string]any {
	k, _ := spec.KindOf("fastx.env")
	out := fileSchema(k, false)
	out["$schema"], out["title"], out["description"] = draft, "the node file", "Settings of one node."
	return out
}

// globExpression is the regular expression of the names that a pattern matches.
func globExpression(pattern string) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/]*`) + "$"
}

// fileSchema is the schema of a file. One that all nodes share cannot hold what is a node's alone.
func fileSchema(k spec.Kind, shared bool) object {
	out := object{"title": k.Pattern, "description": strings.Join(append([]string{k.Doc + "."}, k.Notes()...), " ")}
	switch k.Dialect {
	case spec.DialectHtpasswd:
		out["properties"] = object{"": object{"type": "object", "additionalProperties": object{
			"type": "string", "pattern": `^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`, "writeOnly": true}}}
	case spec.DialectINI, spec.DialectEnv:
		out["properties"] = object{}
		for _, s := range spec.SettingsOf(k.Pattern) {
			if s.Section == "*" {
				out["additionalProperties"] = sectionSchema(k, "*", shared)
			} else {
				out["properties"].(object)[s.Section] = sectionSchema(k, s.Section, shared)
			}
		}
	default:
		out["type"] = "string"
		return out
	}
	out["type"] = "object"
	if out["additionalProperties"] == nil {
		out["additionalProperties"] = false
	}
	return out
}

// sectionSchema is the schema of one section; keys of any section may stand in it, too.
func sectionSchema(k spec.Kind, section string, shared bool) object {
	keys, open := object{}, object{}
	out := object{"type": "object", "properties": keys, "additionalProperties": false}
	for _, s := range spec.SettingsOf(k.Pattern) {
		prefix, isOpen := strings.CutSuffix(s.Key, "*")
		switch {
		case s.Section != section && s.Section != "*", shared && s.Scope == spec.ScopeNode:
		case isOpen && prefix == "":
			out["additionalProperties"] = settingSchema(s)
		case isOpen:
			open["^"+regexp.QuoteMeta(prefix)+"."] = settingSchema(s)
		case keys[s.Key] == nil:
			keys[s.Key] = settingSchema(s)
		}
	}
	if len(open) > 0 {
		out["patternProperties"] = open
	}
	return out
}

// settingSchema is the schema of one key: what it takes, and what the table says of it.
func settingSchema(s spec.Setting) object {
	out := valueSchema(s)
	out["description"] = strings.Join(append([]string{s.Doc}, s.Notes()...), " ")
	out["x-reload"] = string(s.Reload)
	if s.Default != "" {
		out["default"] = render.Typed(s, s.Default)
	}
	if s.Secret {
		out["writeOnly"] = true
	}
	if s.Now != "" {
		out["deprecated"] = true
	}
	return out
}

func valueSchema(s spec.Setting) object {
	if s.IsList() {
		return object{"type": "array", "items": itemSchema(s)}
	}
	switch s.Type {
	case spec.TypeBool:
		return object{"type": "boolean"}
	case spec.TypeCount:
		return countSchema(s)
	}
	return textSchema(s)
}

// itemSchema is the schema of a list's items, none of which can hold a comma or begin or end with a space.
func itemSchema(s spec.Setting) object {
	out := textSchema(s)
	if out["pattern"] == nil && out["enum"] == nil {
		out["pattern"] = `^[^\s,]([^,]*[^\s,])?$`
	}
	return out
}

// countSchema keeps a whole number within its bounds. A default that stands for no limit may lie outside.
func countSchema(s spec.Setting) object {
	least, most := s.Bounds()
	out := object{"type": "integer", "minimum": least}
	if most > 0 {
		out["maximum"] = most
	}
	if least > 0 && s.Default != "" {
		delete(out, "minimum")
		out["anyOf"] = []object{{"const": render.Typed(s, s.Default)}, {"minimum": least}}
	}
	return out
}

// expressions are what a value of a type looks like, in the part of regular expressions that ECMA 262 and RE2 share.
var expressions = map[spec.Type]string{
	spec.TypeCommand:  `\S`,
	spec.TypeDuration: `^(-[0.nuµμmsh]+|\+?(0|([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`,
	spec.TypePath:     `^/`,
	spec.TypeGeometry: `^([1-9][0-9]{1,4}x[1-9][0-9]{1,4}|rootless)?$`,
	spec.TypeSize:     `^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$`,
	spec.TypeAddress:  `^\S*:(0|[1-9][0-9]{0,4})$`,
	spec.TypeURLs:     `^(([Nn][Aa][Tt][Ss]|[Tt][Ll][Ss]|[Ww][Ss][Ss]?)://)?[^@/?#,\s]+[?#]?$`,
	spec.TypeNetworks: `^[0-9A-Fa-f:.]+(%[^,/\s]+)?(/[0-9]{1,3})?$`,
	spec.TypeNode:     `^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$`,
	spec.TypeSeed:     `^SU[A-Z2-7]{56}$`,
	spec.TypeToken:    `^[^\x00-\x1f]+$`,
	spec.TypeMemory:   `^[1-9][0-9]{0,14}[KMGT]?$`,
	spec.TypePercent:  `^[1-9][0-9]{0,6}%$`,
	spec.TypeBase:     `^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`,
	spec.TypeColour:   `^#[0-9a-fA-F]{6}$`,
}

// textSchema is the schema of one piece of text. Where nothing is a value, too, the checker accepts it.
func textSchema(s spec.Setting) object {
	out := object{"type": "string"}
	if len(s.Allowed) > 0 {
		out["enum"] = s.Allowed
		return out
	}
	expression := expressions[s.Type]
	if expression == "" {
		return out
	}
	if !s.IsList() && s.Check("") == nil && !regexp.MustCompile(expression).MatchString("") {
		expression = "^$|" + expression
	}
	out["pattern"] = expression
	return out
}
