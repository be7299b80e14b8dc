# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -v count=N -f lib-trace-io.awk SIDES IO: from the events of lib-trace.sh to costs per request.
# Prints `<side> <quantity> <per request>` for both sides and the quantities wrs, posts,
# completions and messages.

function value(name,	i, kv) {
	for (i = 1; i <= NF; i++) {
		split($i, kv, "=")
		if (kv[1] == name)
			return kv[2]
	}
	return ""
}

FNR == 1 { file++ }

file == 1 && / cm_send_req: / { side[value("qp_num")] = "client" }
file == 1 && / cm_send_rep: / { side[value("qp_num")] = "server" }

# Opcodes of enum ib_wr_opcode that stay inside the machine: LOCAL_INV and REG_MR.
function is_local(op) { return op == local_inv || op == reg_mr }

BEGIN { local_inv = 7; reg_mr = 32 }

file == 2 && / post: / {
	s = side[value("qpn")]
	if (s == "")
		next
	owner[value("cq")] = s
	n[s, "posts"]++
	for (i = 1; i <= 6; i++) {
		if (value("wr" i) == "0x0" || value("wr" i) == "(fault)")
			break
		op = value("op" i)
		n[s, "wrs"]++
		if (!is_local(op))
			n[s, "messages"]++
	}
}

file == 2 && / cqe: / { cqes[value("cq")]++ }

END {
	for (cq in cqes)
		if (cq in owner)
			n[owner[cq], "completions"] += cqes[cq]
	split("client server", sides)
	split("wrs posts completions messages", quantities)
	for (a = 1; a <= 2; a++)
		for (b = 1; b <= 4; b++)
			printf "%s %s %.2f\n", sides[a], quantities[b], n[sides[a], quantities[b]] / count
}
