# SPDX-License-Identifier: GPL-2.0-or-later
#
# RNBD and its transport RTRS.
#
# One file for two readers.  kbuild, in a kernel tree or with M=, sees the first half;
# a person who types make in this directory gets the second half: see `make help`.

ifneq ($(KERNELRELEASE),)

ifneq ($(KBUILD_EXTMOD),)
include $(KBUILD_EXTMOD)/compat/kbuild.mk
endif

ccflags-y += -I$(src) -I$(src)/rtrs

obj-y += rtrs/

obj-$(CONFIG_BLK_DEV_RNBD_CLIENT) += rnbd-client.o
rnbd-client-y :=		\
	rnbd-clt.o		\
	rnbd-clt-dev.o		\
	rnbd-clt-disk.o		\
	rnbd-clt-hold.o		\
	rnbd-clt-io.o		\
	rnbd-clt-left.o		\
	rnbd-clt-link.o		\
	rnbd-clt-msg.o		\
	rnbd-clt-nr.o		\
	rnbd-clt-opts.o		\
	rnbd-clt-sess.o		\
	rnbd-clt-sysfs.o	\
	rnbd-clt-tell.o
rnbd-client-m := rnbd-clt-common.o

obj-$(CONFIG_BLK_DEV_RNBD_SERVER) += rnbd-server.o
rnbd-server-y :=		\
	rnbd-srv.o		\
	rnbd-srv-dev.o		\
	rnbd-srv-io.o		\
	rnbd-srv-map.o		\
	rnbd-srv-msg.o		\
	rnbd-srv-name.o		\
	rnbd-srv-sysfs.o	\
	rnbd-srv-trace.o
rnbd-server-m := rnbd-srv-common.o

# Modules have a copy of the common code each; what is built in shares this one.
rnbd-builtin := $(CONFIG_BLK_DEV_RNBD_CLIENT) $(CONFIG_BLK_DEV_RNBD_SERVER)
obj-$(if $(filter y,$(rnbd-builtin)),y) += rnbd-common.o

obj-$(CONFIG_BLK_DEV_RNBD_KUNIT_TEST) += rnbd-kunit.o
rnbd-kunit-y := rnbd-common.o rnbd-clt-nr.o rnbd-clt-opts.o rnbd-srv-name.o
rnbd-kunit-y += $(patsubst $(src)/%.c,%.o,$(wildcard $(src)/tests/*_kunit.c))

else

KDIR ?= /lib/modules/$(shell uname -r)/build
INSTALL_MOD_DIR ?= updates
MAKEFLAGS += --no-print-directory

selftests := $(CURDIR)/tools/testing/selftests/rnbd
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR)
release = $(shell cat $(KDIR)/include/config/kernel.release)

all: modules

modules: kdir
	+@$(kbuild) modules

modules_install: modules
	+@$(kbuild) INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(release)

install: modules_install
	@echo "Installed for $(release); next: modprobe rnbd_server or modprobe rnbd_client (README.md)"

tools_install:
	dist/install.sh "$(DESTDIR)"

DEBDIR ?= deb

deb:
	dist/build-deb.sh "$(DEBDIR)"

clean: kdir
	+@$(kbuild) clean

kdir:
	@test -e $(KDIR)/include/config/kernel.release || { \
		echo "$(KDIR) holds no prepared kernel headers." >&2; \
		echo "Install linux-headers-$$(uname -r) or name another kernel: make KDIR=/usr/src/..." >&2; \
		exit 1; }

check check-deep coverage demo bench:
	@$(selftests)/$@.sh

help:
	@echo 'Modules, for the kernel of KDIR (now $(KDIR)):'
	@echo '  all              build the modules (default)'
	@echo '  modules_install  build, install into $(INSTALL_MOD_DIR)/ of the kernel, run depmod'
	@echo '  install          the same, then say what comes next'
	@echo '  tools_install    install rnbdmap, rnbdexport, units, udev rules, manual pages (DESTDIR=)'
	@echo '  deb              build Debian packages into $(DEBDIR)/ (DEBDIR=)'
	@echo '  clean            remove what was built'
	@echo 'Variables: KDIR=, INSTALL_MOD_PATH=, INSTALL_MOD_DIR=, W=1, C=2, LLVM=1'
	@echo
	@echo 'Tests, in virtual machines; no RDMA hardware and no module-capable kernel needed:'
	@echo '  demo             a server and a client: map a volume, use it, shown step by step'
	@echo '  check            build and test everything; TESTS="name..." runs these only'
	@echo '  check-deep       everything on debug kernels, and fault injection; takes hours'
	@echo '  coverage         which lines of the modules the tests run, as a table'
	@echo '  bench            compare with other block transports'

.PHONY: all modules modules_install install tools_install deb clean kdir check check-deep \
	coverage demo bench help

endif
