# SPDX-License-Identifier: GPL-2.0-or-later
#
# From a trace of allocation events with call chains: prints those chains that pass through rnbd
# or rtrs and do not go on into the RDMA driver or the network below it, one line each,
# innermost function first.

function flush() {
	if (chain ~ /\[(rnbd|rtrs)_/ && chain !~ /\[rdma_rxe\]/)
		print chain
	chain = ""
}

/ (kmalloc|kmem_cache_alloc|mm_page_alloc): / { flush(); next }
/^ => / { sub(/^ => /, ""); chain = chain (chain == "" ? "" : " < ") $0 }
END { flush() }
