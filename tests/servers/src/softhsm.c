/* A PKCS#11 module before that of SoftHSM. It gives SoftHSM its configuration, which a process of tests can't put into
 * its own environment, and fails like a device that is pulled or hangs, as the first word of a shared file says.
 *
 * SETTINGS, MODULE and SWITCH are paths, given by the compiler's command line. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long word;
/* CK_FUNCTION_LIST of PKCS#11 2.40: a version, then the functions in the order of the standard. */
struct functions {
    unsigned char version[2];
    void *at[68];
};
enum { GET_SLOT_LIST = 4, OPEN_SESSION = 12, CLOSE_ALL_SESSIONS = 14, LOGIN = 18, SIGN_INIT = 42, SIGN = 43 };
enum { DEVICE_REMOVED = 0x32, PIN_INCORRECT = 0xA0, TOKEN_NOT_PRESENT = 0xE0 };
enum { WORKS, PULLED, HANGS, SESSIONS_END, SHORT_ANSWER, PIN_CHANGES, PIN_CHANGED };

static struct functions *real, shown;
static volatile uint32_t *shared; /* what to do, logins, C_Sign with an answer, and its last length of data */
static word slots[16];

static void begin(void) {
    while (shared[0] == HANGS)
        usleep(1000);
    /* Sessions end when the token goes; here, when somebody asks after it. */
    if (shared[0] == PULLED || shared[0] == SESSIONS_END || shared[0] == PIN_CHANGES) {
        for (int i = 0; i < 16; i++)
            if (slots[i])
                ((word(*)(word))real->at[CLOSE_ALL_SESSIONS])(slots[i]);
        if (shared[0] == SESSIONS_END)
            shared[0] = WORKS;
        if (shared[0] == PIN_CHANGES)
            shared[0] = PIN_CHANGED;
    }
}

static word get_slot_list(unsigned char present, word *list, word *count) {
    begin();
    if (shared[0] == PULLED) {
        *count = 0;
        return 0;
    }
    return ((word(*)(unsigned char, word *, word *))real->at[GET_SLOT_LIST])(present, list, count);
}

static word open_session(word slot, word flags, void *application, void *notify, word *session) {
    begin();
    if (shared[0] == PULLED)
        return TOKEN_NOT_PRESENT;
    for (int i = 0; i < 16 && slots[i] != slot; i++)
        if (!slots[i]) {
            slots[i] = slot;
            break;
        }
    return ((word(*)(word, word, void *, void *, word *))real->at[OPEN_SESSION])(slot, flags, application, notify, session);
}

static word login(word session, word user, unsigned char *pin, word bytes) {
    begin();
    __sync_fetch_and_add(&shared[1], 1);
    if (shared[0] == PIN_CHANGED)
        return PIN_INCORRECT;
    return ((word(*)(word, word, unsigned char *, word))real->at[LOGIN])(session, user, pin, bytes);
}

static word sign_init(word session, void *mechanism, word key) {
    begin();
    if (shared[0] == PULLED)
        return DEVICE_REMOVED;
    return ((word(*)(word, void *, word))real->at[SIGN_INIT])(session, mechanism, key);
}

static word sign(word session, unsigned char *data, word bytes, unsigned char *signature, word *length) {
    word answer = ((word(*)(word, unsigned char *, word, unsigned char *, word *))real->at[SIGN])(session, data, bytes, signature, length);
    if (signature) {
        shared[3] = (uint32_t)bytes;
        __sync_fetch_and_add(&shared[2], 1);
        if (shared[0] == SHORT_ANSWER && *length)
            *length -= 1;
    }
    return answer;
}

word C_GetFunctionList(struct functions **list) {
    if (!real) {
        int file = open(SWITCH, O_RDWR);
        shared = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        setenv("SOFTHSM2_CONF", SETTINGS, 1);
        void *module = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
        if (file < 0 || shared == MAP_FAILED || !module)
            return 5; /* CKR_GENERAL_ERROR */
        word (*get)(struct functions **) = (word(*)(struct functions **))dlsym(module, "C_GetFunctionList");
        word answer = get(&real);
        if (answer)
            return answer;
        shown = *real;
        shown.at[GET_SLOT_LIST] = get_slot_list;
        shown.at[OPEN_SESSION] = open_session;
        shown.at[LOGIN] = login;
        shown.at[SIGN_INIT] = sign_init;
        shown.at[SIGN] = sign;
    }
    *list = &shown;
    return 0;
}
