/* A PAM module for tests. Its first argument says what it does:
 *
 *   password=P  auth: asks for a password, which has to be P
 *   questions   auth: says something, then asks for a code and a colour in one question
 *   twice       auth: asks for a code in two questions, one after the other
 *   rename=U    auth: lets everybody in as U
 *   code=N      any stage: ends with the result N
 *   renew       password: asks for a new password, until both are the same
 *   say=TEXT    any stage: says TEXT and lets in
 *   crash       auth: crashes
 *   hang        auth: never ends
 *
 * The few declarations of libpam's headers are here, so that no headers are needed. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pam_message { int style; const char *text; };
struct pam_response { char *text; int code; };
struct pam_conv { int (*talk)(int, const struct pam_message **, struct pam_response **, void *); void *data; };
typedef struct pam_handle pam_handle_t;
extern int pam_get_item(const pam_handle_t *, int, const void **);
extern int pam_set_item(pam_handle_t *, int, const void *);

enum { SUCCESS = 0, AUTH_ERR = 7, CONV_ERR = 19, USER = 2, CONV = 5, HIDDEN = 1, SHOWN = 2, ERROR = 3, INFO = 4 };

static int ask(pam_handle_t *h, int n, struct pam_message *m, struct pam_response **r)
{
	const struct pam_conv *c;
	const struct pam_message *each[8];
	int i;
	if (pam_get_item(h, CONV, (const void **)&c) != SUCCESS)
		return CONV_ERR;
	for (i = 0; i < n; i++)
		each[i] = &m[i];
	return c->talk(n, each, r, c->data);
}

static int is(struct pam_response *r, const char *want) { return r->text && strcmp(r->text, want) == 0; }

static int one(pam_handle_t *h, const char *text, const char *want)
{
	struct pam_message m = { HIDDEN, text };
	struct pam_response *r = NULL;
	int code = ask(h, 1, &m, &r);
	return code != SUCCESS ? code : is(r, want) ? SUCCESS : AUTH_ERR;
}

static int questions(pam_handle_t *h)
{
	struct pam_message m[] = { { INFO, "Look at your phone.\033[31m" }, { HIDDEN, "Code: " }, { SHOWN, "Colour: " } };
	struct pam_response *r = NULL;
	int code = ask(h, 3, m, &r);
	return code != SUCCESS ? code : is(&r[1], "123") && is(&r[2], "blue") ? SUCCESS : AUTH_ERR;
}

static int renew(pam_handle_t *h)
{
	for (;;) {
		struct pam_message m[] = { { HIDDEN, "New password: " }, { HIDDEN, "Once more: " } };
		struct pam_message no = { ERROR, "These differ." };
		struct pam_response *r = NULL;
		int code = ask(h, 2, m, &r);
		if (code != SUCCESS || (r[0].text && is(&r[1], r[0].text)))
			return code;
		ask(h, 1, &no, &r);
	}
}

static int story(pam_handle_t *h, int argc, const char **argv)
{
	const char *what = argc > 0 ? argv[0] : "";
	if (strncmp(what, "password=", 9) == 0)
		return one(h, "Password: ", what + 9);
	if (strcmp(what, "questions") == 0)
		return questions(h);
	if (strcmp(what, "twice") == 0) {
		int code = one(h, "First code: ", "1");
		return code != SUCCESS ? code : one(h, "Second code: ", "2");
	}
	if (strncmp(what, "rename=", 7) == 0)
		return pam_set_item(h, USER, what + 7);
	if (strncmp(what, "code=", 5) == 0)
		return atoi(what + 5);
	if (strcmp(what, "renew") == 0)
		return renew(h);
	if (strncmp(what, "say=", 4) == 0) {
		struct pam_message m = { INFO, what + 4 };
		struct pam_response *r = NULL;
		return ask(h, 1, &m, &r);
	}
	if (strcmp(what, "crash") == 0)
		*(volatile int *)8 = 1;
	if (strcmp(what, "hang") == 0)
		for (;;)
			pause();
	return AUTH_ERR;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv) { return story(h, argc, argv); }
int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv) { return story(h, argc, argv); }
int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv) { return SUCCESS; }

int pam_sm_chauthtok(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return flags & 0x4000 /* only a look whether it can be done */ ? SUCCESS : story(h, argc, argv);
}
