/* This file counts the instructions that a program runs under qemu-aarch64, all of them and by class: a plugin of QEMU.
 *
 * The program marks a place by getpriority(PRIO_PROCESS, 0x5EED0000 + n); at each mark the counters are written, as one
 * line of JSON, to the file that `-plugin libicount.so,out=FILE` names. The prototypes are those of QEMU's plugin API,
 * version 1; QEMU's packages bring no header. Encodings: Arm Architecture Reference Manual (DDI 0487), C4.1.
 *
 *     cc -O2 -shared -fPIC -o libicount.so icount.c
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    bool system_emulation;
    union { struct { int smp_vcpus, max_vcpus; } system; };
} qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
extern void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                               uint64_t, uint64_t, uint64_t));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

PUBLIC int qemu_plugin_version = 1;

enum { GETPRIORITY = 141, MARK = 0x5EED0000 }; /* the system call's number on aarch64 */
enum { ALL, SDOT, SMMLA, SVE, FMLA, SMLAL, SIMD, LOAD_STORE, BRANCH, CLASSES };
static const char *const name[CLASSES] = {"all", "sdot", "smmla", "sve", "fmla", "smlal", "simd", "load_store", "branch"};
static uint64_t count[CLASSES];
static FILE *out;

/* bits of a mask, their value, the class; the first row that fits decides */
static const struct { uint32_t mask, value; int class; } encoding[] = {
    {0x1e000000, 0x04000000, SVE},
    {0x9e000000, 0x80000000, SVE}, /* SME */
    {0x0a000000, 0x08000000, LOAD_STORE},
    {0x1c000000, 0x14000000, BRANCH},
    {0x9f20fc00, 0x0e009400, SDOT}, /* SDOT, UDOT (vector) */
    {0x9f00f400, 0x0f00e000, SDOT}, /* SDOT, UDOT (by element) */
    {0xbfe0fc00, 0x0e809c00, SDOT}, /* USDOT (vector) */
    {0xdf20fc00, 0x4e00a400, SMMLA}, /* SMMLA, UMMLA */
    {0xffe0fc00, 0x4e80ac00, SMMLA}, /* USMMLA */
    {0xbfa0fc00, 0x0e20cc00, FMLA}, /* vector */
    {0xbf80f400, 0x0f801000, FMLA}, /* by element */
    {0xff000000, 0x1f000000, FMLA}, /* FMADD */
    {0x9f20bc00, 0x0e208000, SMLAL}, /* SMLAL, SMLSL, UMLAL, UMLSL (vector) */
    {0x9f00b400, 0x0f002000, SMLAL}, /* the same (by element) */
    {0x9f20fc00, 0x0e20c000, SMLAL}, /* SMULL, UMULL */
    {0x0e000000, 0x0e000000, SIMD}, /* what else is SIMD or floating point */
};

static int classify(uint32_t word) {
    for (size_t i = 0; i < sizeof encoding / sizeof *encoding; i++)
        if ((word & encoding[i].mask) == encoding[i].value) return encoding[i].class;
    return ALL;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    uint64_t here[CLASSES] = {0};
    here[ALL] = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < here[ALL]; i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        int class = classify(word);
        if (class != ALL) here[class]++;
    }
    for (int i = 0; i < CLASSES; i++)
        if (here[i]) qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &count[i], here[i]);
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t which, uint64_t who, uint64_t a3,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)which, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != GETPRIORITY || (who & 0xffff0000u) != MARK) return;
    fprintf(out, "{\"mark\": %u", (unsigned)(who & 0xffff));
    for (int i = 0; i < CLASSES; i++) fprintf(out, ", \"%s\": %llu", name[i], (unsigned long long)count[i]);
    fprintf(out, "}\n");
    fflush(out);
}

PUBLIC int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    out = stderr;
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4) && !(out = fopen(argv[i] + 4, "w"))) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
