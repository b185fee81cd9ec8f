package spec

import "net/netip"

const (
	httpsFile    = "https.ini"
	logLevelFile = "loglevel.ini"
	removedFile  = "removed.ini"
	htpasswdFile = "htpasswd"
	authSSHFile  = "auth-ssh.ini"
	accountsFile = "accounts.ini"
	pamFile      = "auth-pam.ini"
)

// webSettings are the keys of the webserver's and the node's own ini files.
func webSettings() []Setting {
	return []Setting{
		{File: httpsFile, Key: "enabled", Type: TypeBool, Default: "true",
			Doc:  "Whether the webserver speaks TLS; false behind a proxy that does.",
			into: to(func(h *HTTPS) *bool { return &h.Enabled })},
		{File: httpsFile, Key: "cert_file", Type: TypePath,
			Doc:  "The certificate with its chain, PEM; a generated one when absent.",
			into: to(func(h *HTTPS) *string { return &h.CertFile })},
		{File: httpsFile, Key: "key_file", Type: TypePath,
			Doc:  "The certificate's private key, PEM.",
			into: to(func(h *HTTPS) *string { return &h.KeyFile })},
		{File: httpsFile, Key: "trusted_proxies", Type: TypeNetworks,
			Doc:  "The addresses whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed.",
			into: to(func(h *HTTPS) *[]netip.Prefix { return &h.TrustedProxies })},
		{File: httpsFile, Key: "base_path", Type: TypeBase,
			Doc:  "The path that everything is served below, such as /fastx, for a proxy that has other things to serve too; / when absent.",
			into: to(func(h *HTTPS) *string { return &h.BasePath })},
		{File: accountsFile, Key: "*", Type: TypeText,
			Doc:  "The Unix account that sessions of this login run as where fastxd-launchd starts them. A login through PAM or sshd is its own account, and none of these.",
			into: entry(func(a *Accounts) map[string]string { return *a })},
		{File: logLevelFile, Key: "*", Type: TypeText, Allowed: []string{"debug", "info", "warn", "error"},
			Doc:  "A component's log level; ** is all that are not named.",
			into: entry(func(l *LogLevel) map[string]string { return *l })},
		{File: removedFile, Section: "removed", Key: "files", Type: TypeList,
			Doc:  "The files that are meant to be gone.",
			into: to(func(r *[]string) *[]string { return r })},
	}
}

// authSettings are the keys of auth-*.ini.
func authSettings() []Setting {
	return []Setting{
		{File: pamFile, Key: "enabled", Type: TypeBool, Default: "true",
			Doc:  "Whether users log in with the machines' accounts, where fastxd-launchd can have PAM judge them. Without this file they do.",
			into: to(func(p *PAM) *bool { return &p.Enabled })},
		{File: pamFile, Key: "service", Type: TypeText, Default: "fastx",
			Doc:  "The PAM service that judges them: a file of /etc/pam.d, whose name is fastx or begins with fastx-.",
			into: to(func(p *PAM) *string { return &p.Service })},
		{File: authSSHFile, Key: "enabled", Type: TypeBool, Default: "true",
			Doc:  "Whether users log in through sshd.",
			into: to(func(a *AuthSSH) *bool { return &a.Enabled })},
		{File: authSSHFile, Key: "host", Type: TypeText, Default: "127.0.0.1",
			Doc:  "The host whose sshd is asked.",
			into: to(func(a *AuthSSH) *string { return &a.Host })},
		{File: authSSHFile, Key: "port", Type: TypeCount, Default: "22", least: 1, most: 65535,
			Doc:  "sshd's port.",
			into: to(func(a *AuthSSH) *int { return &a.Port })},
		{File: authSSHFile, Key: "known_hosts", Type: TypePath,
			Doc:  "The host keys that are trusted, as ssh keeps them; this machine's own /etc/ssh/ssh_host_*_key.pub when absent and the host is 127.0.0.1, ::1 or localhost.",
			into: to(func(a *AuthSSH) *string { return &a.KnownHosts })},
		{File: "auth-oidc.ini", Key: "enabled", Type: TypeBool, Default: "true", Doc: "Whether users log in through OpenID Connect."},
		{File: "auth-oidc.ini", Key: "issuer", Type: TypeText, Doc: "The provider's URL."},
		{File: "auth-oidc.ini", Key: "client_id", Type: TypeText, Doc: "Our name at the provider."},
		{File: "auth-oidc.ini", Key: "client_secret", Type: TypeToken, Secret: true, Doc: "Our secret at the provider."},
		{File: "auth-oidc.ini", Key: "scopes", Type: TypeList, Default: "openid,profile", Doc: "What is asked for."},
		{File: "auth-oidc.ini", Key: "username_claim", Type: TypeText, Default: "preferred_username", Doc: "The claim that names the user."},
		{File: "auth-oidc.ini", Key: "groups_claim", Type: TypeText, Default: "groups", Doc: "The claim that names the groups."},
		{File: "auth-oidc.ini", Key: "ca_file", Type: TypePath, Doc: "The CA certificates that the provider is checked against."},
		{File: "auth-oidc.ini", Section: "map", Key: "*", Type: TypeText, Doc: "The Unix account of a name."},
		{File: "auth-proxy.ini", Key: "enabled", Type: TypeBool, Default: "true", Doc: "Whether a proxy in front logs users in."},
		{File: "auth-proxy.ini", Key: "header", Type: TypeText, Default: "X-Remote-User", Doc: "The header that names the user."},
		{File: "auth-proxy.ini", Key: "groups_header", Type: TypeText, Doc: "The header that names the groups."},
		{File: "auth-proxy.ini", Key: "trusted_proxies", Type: TypeNetworks, Doc: "The proxies that are believed."},
		{File: "auth-proxy.ini", Key: "logout_url", Type: TypeText, Doc: "Where users are sent to log out."},
		{File: "auth-saml.ini", Key: "enabled", Type: TypeBool, Default: "true", Doc: "Whether users log in through SAML."},
		{File: "auth-saml.ini", Key: "idp_metadata_file", Type: TypePath, Doc: "The identity provider's metadata."},
		{File: "auth-saml.ini", Key: "entity_id", Type: TypeText, Doc: "Our name at the identity provider."},
		{File: "auth-saml.ini", Key: "cert_file", Type: TypePath, Doc: "Our certificate."},
		{File: "auth-saml.ini", Key: "key_file", Type: TypePath, Doc: "Our private key."},
		{File: "auth-saml.ini", Key: "username_attribute", Type: TypeText, Doc: "The attribute that names the user."},
		{File: "auth-saml.ini", Key: "groups_attribute", Type: TypeText, Doc: "The attribute that names the groups."},
	}
}

// otherSettings are the keys of the files that this version only knows by name.
func otherSettings() []Setting {
	return []Setting{
		{File: "forward.ini", Section: "*", Key: "*", Type: TypeText, Doc: "A forward for sessions."},
		{File: "smtp.ini", Key: "host", Type: TypeText, Doc: "The mail server."},
		{File: "smtp.ini", Key: "port", Type: TypeCount, Default: "587", Doc: "The mail server's port."},
		{File: "smtp.ini", Key: "user", Type: TypeText, Doc: "Our name at the mail server."},
		{File: "smtp.ini", Key: "password", Type: TypeToken, Secret: true, Doc: "Our password at the mail server."},
		{File: "smtp.ini", Key: "from", Type: TypeText, Doc: "The sender's address."},
		{File: "smtp.ini", Key: "tls", Type: TypeBool, Default: "true", Doc: "Whether mail goes over TLS."},
		{File: "weblink.ini", Section: "*", Key: "*", Type: TypeText, Doc: "A weblink client."},
		{File: "weblink-secret.ini", Section: "*", Key: "*", Type: TypeToken, Secret: true, Doc: "A weblink client's secret."},
		{File: "forms/*.ini", Key: "title", Type: TypeText, Doc: "The form's title."},
		{File: "forms/*.ini", Key: "html", Type: TypeText, Doc: "The form's HTML."},
		{File: "forms/*.ini", Key: "script", Type: TypePath, Doc: "The program that writes the form."},
	}
}
