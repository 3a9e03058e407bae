// libstdc++ asks glibc 2.32 and newer whether the process has one thread; older targets cannot say. "No" is always safe.
#pragma once
static const char __libc_single_threaded = 0;
