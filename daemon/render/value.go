package render

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// itemsOf is a value's text: one item, or those of a list.
func itemsOf(value any) (items []string, list bool, err error) {
	switch v := value.(type) {
	case []string:
		return v, true, nil
	case []any:
		items = []string{}
		for _, item := range v {
			text, err := scalar(item)
			if err != nil {
				return nil, true, err
			}
			items = append(items, text)
		}
		return items, true, nil
	default:
		text, err := scalar(value)
		return []string{text}, false, err
	}
}

func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64: // what JSON has for every number
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10), nil
		}
		return "", errors.New("is not a whole number")
	case nil:
		return "", errors.New("has an item that is nothing")
	case []any, []string:
		return "", errors.New("has an item that is a list")
	case map[string]any:
		return "", errors.New("is not a value but has keys of its own")
	}
	return "", fmt.Errorf("is of the type %T", value)
}

// split cuts the text of a list into its items.
func split(text string) []string {
	out := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// unlistable reports whether an item would not be read back from a list as it is.
func unlistable(item string) bool {
	return item == "" || item != strings.TrimSpace(item) || strings.Contains(item, ",")
}
