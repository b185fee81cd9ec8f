package render

import (
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// role is what one component may say and hear at the transporter.
type role struct{ publish, subscribe []string }

// everyone is what any component may, because a node speaks for itself by the key of the first of its components: it tells
// how it is, and answers about its own configuration.
var everyone = role{
	publish:   []string{"fx.v1.event.config", "fx.v1.event.node"},
	subscribe: []string{"fx.v1.event.config", "fx.v1.event.hello", "fx.v1.node.*.*"},
}

// asks are what people ask of the cluster, on the page or with fastxctl beside a user component: by the key of whichever
// component comes first there, which is never the launcher. Each carries a login or a ticket, which whoever answers judges.
var asks = []string{"fx.v1.launcher.log.*", "fx.v1.manager.*", "fx.v1.node.*.*", "fx.v1.user.authorize"}

// logins are what the page asks about people and for them. Having an order signed for a node is not among them.
var logins = []string{"fx.v1.user.apps", "fx.v1.user.login", "fx.v1.user.logout", "fx.v1.user.prefers", "fx.v1.user.standing", "fx.v1.user.verify"}

// roles is what each component may beyond that. Nobody but a component hears the requests to it, so a key of one cannot
// answer in the place of another. The subjects are those of the package transporter, whose endpoints a test holds
// against this table; a last * is the node.
var roles = map[spec.Component]role{
	spec.Webserver: {
		publish:   append([]string{"fx.v1.launcher.connect.*"}, append(logins, asks...)...),
		subscribe: []string{"fx.v1.event.message", "fx.v1.event.node", "fx.v1.event.revoked", "fx.v1.event.session"},
	},
	spec.Manager: {
		publish:   append([]string{"fx.v1.event.hello", "fx.v1.event.reserved", "fx.v1.launcher.*.*", "fx.v1.user.place"}, asks...),
		subscribe: []string{"fx.v1.event.node", "fx.v1.event.reserved", "fx.v1.event.session", "fx.v1.event.sessions", "fx.v1.manager.*"},
	},
	spec.User: {
		publish:   append([]string{"fx.v1.event.revoked", "fx.v1.user.login.*"}, asks...),
		subscribe: []string{"fx.v1.event.revoked", "fx.v1.user.*", "fx.v1.user.login.*"},
	},
	spec.Launcher: {
		publish:   []string{"fx.v1.event.message", "fx.v1.event.session", "fx.v1.event.sessions"},
		subscribe: []string{"fx.v1.launcher.*.*"},
	},
}

// Permissions returns what nats-server.conf is to let a component do: the subjects it may use, replies in an inbox that
// other components cannot hear, and one answer to each request.
func Permissions(c spec.Component) *natsconf.Permissions {
	return &natsconf.Permissions{
		Publish:   natsconf.Subjects{Allow: union(everyone.publish, roles[c].publish)},
		Subscribe: natsconf.Subjects{Allow: append(union(everyone.subscribe, roles[c].subscribe), "_INBOX_"+string(c)+".>")},
		Responses: natsconf.DefaultResponses(),
	}
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
