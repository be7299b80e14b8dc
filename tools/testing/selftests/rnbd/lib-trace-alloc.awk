# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -f lib-trace-alloc.awk SYMBOLS TRACE: from allocation events with call chains (trace option
# sym-addr) prints those that pass through rnbd or rtrs and not on into the RDMA driver below,
# one line each, innermost function first.
#
# The chains name functions without their modules, so the addresses tell: they are compared as
# text, which is right for hexadecimal numbers of one length.

FNR == 1 { file++ }

file == 1 && $2 ~ /^[tT]$/ && $4 ~ /^\[(rnbd|rtrs)_|^\[rdma_rxe\]/ {
	m = $4
	if (!(m in low) || $1 < low[m])
		low[m] = $1
	if ($1 > high[m])
		high[m] = $1
}

# The last function of a module ends behind its address: up to the end of that page.
function module_of(addr,	m) {
	for (m in low)
		if (addr >= low[m] && addr <= substr(high[m], 1, 13) "fff")
			return m
	return ""
}

function flush() {
	if (ours && !below)
		print event chain
	chain = ""
	ours = below = 0
}

file == 2 && / (kmalloc|kmem_cache_alloc|mm_page_alloc): / {
	flush()
	event = $0
	sub(/.* (kmalloc|kmem_cache_alloc|mm_page_alloc): /, "", event)
	sub(/ ptr=.*| page=.*/, "", event)
}

file == 2 && /^ => / {
	addr = $NF
	gsub(/[<>]/, "", addr)
	m = module_of(addr)
	if (m == "[rdma_rxe]")
		below = 1
	else if (m != "")
		ours = 1
	chain = chain " < " $2 m
}

END { flush() }
