# SPDX-License-Identifier: GPL-2.0-or-later
#
# Out-of-tree builds only; included by each Makefile that kbuild reads.  Stands in for
# Kconfig, and gives kernels older than 6.12 what the sources use (compat.h).

# The modules need the RDMA connection manager, the unit tests KUnit.
rnbd-modules := $(if $(CONFIG_INFINIBAND_ADDR_TRANS),m)
CONFIG_INFINIBAND_RTRS := $(rnbd-modules)
CONFIG_INFINIBAND_RTRS_CLIENT := $(rnbd-modules)
CONFIG_INFINIBAND_RTRS_SERVER := $(rnbd-modules)
CONFIG_INFINIBAND_RTRS_KUNIT_TEST := $(if $(CONFIG_KUNIT),m)
CONFIG_BLK_DEV_RNBD := $(rnbd-modules)
CONFIG_BLK_DEV_RNBD_CLIENT := $(rnbd-modules)
CONFIG_BLK_DEV_RNBD_SERVER := $(rnbd-modules)
CONFIG_BLK_DEV_RNBD_KUNIT_TEST := $(if $(CONFIG_KUNIT),$(rnbd-modules))

# Test builds only, make RNBD_DEBUG=y: knobs that switch off what keeps data safe.
ifeq ($(RNBD_DEBUG),y)
CONFIG_INFINIBAND_RTRS_DEBUG := y
ccflags-y += -DCONFIG_INFINIBAND_RTRS_DEBUG=1
endif

# Once per make run: a -DHAVE_... for everything of 6.12 that the target has.
ifndef RNBD_COMPAT_FLAGS
RNBD_COMPAT_FLAGS := $(shell $(CONFIG_SHELL) $(KBUILD_EXTMOD)/compat/probe.sh $(srctree)/include)
export RNBD_COMPAT_FLAGS
endif
ccflags-y += $(RNBD_COMPAT_FLAGS) -include $(KBUILD_EXTMOD)/compat/compat.h
