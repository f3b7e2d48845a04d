# SPDX-License-Identifier: MIT
# Cross-compiles for 64-bit ARM with Debian's g++-aarch64-linux-gnu, against the libraries that
# tools/aarch64_sysroot.sh unpacks. Tests run in qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot)
cmake_path(NORMAL_PATH sysroot)
set(sysroot_libraries ${sysroot}/usr/lib/aarch64-linux-gnu)
# The C and C++ libraries are the compiler's own, so this is no --sysroot.
set(CMAKE_FIND_ROOT_PATH ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${sysroot})
set(ENV{PKG_CONFIG_LIBDIR} ${sysroot_libraries}/pkgconfig:${sysroot}/usr/share/pkgconfig)
# GCC 12 warns falsely of values that may be uninitialised, of others here than at home, where
# warnings are looked after.
set(CMAKE_CXX_FLAGS_INIT
    "-isystem ${sysroot}/usr/include/aarch64-linux-gnu -Wno-maybe-uninitialized")
# Libraries of libraries, when linking and when running.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${sysroot_libraries}")
set(CMAKE_BUILD_RPATH ${sysroot_libraries})
set(TERN_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=${sysroot_libraries})
set(CMAKE_CROSSCOMPILING_EMULATOR ${TERN_EMULATOR} -cpu max)
