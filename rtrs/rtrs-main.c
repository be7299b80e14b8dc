// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Module rtrs-core: what client and server of the transport share.
 *
 * Nothing runs here of its own accord: the module follows the RDMA devices and
 * lends its functions.  A failing step undoes the steps before it.
 *
 * The pure functions are exported from here and not from their files, because
 * those are also linked into the unit tests.
 */
#include <linux/module.h>

#include "rtrs-fault.h"
#include "rtrs-pri.h"

EXPORT_SYMBOL_GPL(rtrs_addr_parse_pair);
EXPORT_SYMBOL_GPL(rtrs_addr_set_port);
EXPORT_SYMBOL_GPL(rtrs_addr_format);
EXPORT_SYMBOL_GPL(rtrs_addr_format_path);
EXPORT_SYMBOL_GPL(rtrs_addr_equal);

EXPORT_SYMBOL_GPL(rtrs_wire_put_conn_req);
EXPORT_SYMBOL_GPL(rtrs_wire_get_conn_req);
EXPORT_SYMBOL_GPL(rtrs_wire_put_accept);
EXPORT_SYMBOL_GPL(rtrs_wire_put_reject);
EXPORT_SYMBOL_GPL(rtrs_wire_get_accept);
EXPORT_SYMBOL_GPL(rtrs_wire_get_reject);
EXPORT_SYMBOL_GPL(rtrs_wire_put_info_req);
EXPORT_SYMBOL_GPL(rtrs_wire_get_info_req);
EXPORT_SYMBOL_GPL(rtrs_wire_get_info_rsp);
EXPORT_SYMBOL_GPL(rtrs_wire_put_req);
EXPORT_SYMBOL_GPL(rtrs_wire_get_req);
EXPORT_SYMBOL_GPL(rtrs_wire_put_rkey_rsp);
EXPORT_SYMBOL_GPL(rtrs_wire_get_rkey_rsp);
EXPORT_SYMBOL_GPL(rtrs_wire_put_fence);
EXPORT_SYMBOL_GPL(rtrs_wire_get_fence);
EXPORT_SYMBOL_GPL(rtrs_sessname_check);
EXPORT_SYMBOL_GPL(rtrs_sessname_at);

static int __init rtrs_core_init(void)
{
	int err;

	err = rtrs_hb_wq_create();
	if (err)
		return err;

	err = rtrs_dev_init();
	if (err)
		rtrs_hb_wq_destroy();
	else
		rtrs_fault_init();
	return err;
}

static void __exit rtrs_core_exit(void)
{
	rtrs_fault_exit();
	rtrs_dev_exit();
	rtrs_hb_wq_destroy();
}

module_init(rtrs_core_init);
module_exit(rtrs_core_exit);

MODULE_AUTHOR("RNBD developers");
MODULE_DESCRIPTION("RDMA transport: parts shared by client and server");
MODULE_LICENSE("GPL");
