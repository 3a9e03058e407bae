/* A qemu TCG plugin: at every marker system call it writes how many instructions have been executed so far, one line each.

   Arguments: fd=N, where to write; marker=N, the number of the system call. qemu-plugin.h is in no Debian package, so
   what is used of it is declared here, as docs/devel/tcg-plugins.rst has it; VERSION is the interface that qemu speaks. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t Id;
struct qemu_plugin_tb;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(Id id, void (*call)(Id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*call)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(Id id, void (*call)(Id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t, uint64_t, uint64_t));

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = VERSION;

static uint64_t executed;
static int64_t marker = -1;
static int out = -1;

static void count(unsigned cpu, void *instructions) {
  (void)cpu;
  __atomic_fetch_add(&executed, (uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(Id id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, count, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called(Id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
  char line[32];
  (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number != marker) return;
  const int length = snprintf(line, sizeof line, "%llu\n", (unsigned long long)__atomic_load_n(&executed, __ATOMIC_RELAXED));
  if (write(out, line, (size_t)length) != length) abort();
}

EXPORT int qemu_plugin_install(Id id, const void *info, int count_of_arguments, char **arguments) {
  (void)info;
  for (int i = 0; i < count_of_arguments; ++i) {
    if (strncmp(arguments[i], "fd=", 3) == 0) out = atoi(arguments[i] + 3);
    if (strncmp(arguments[i], "marker=", 7) == 0) marker = atoll(arguments[i] + 7);
  }
  if (out < 0 || marker < 0) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
