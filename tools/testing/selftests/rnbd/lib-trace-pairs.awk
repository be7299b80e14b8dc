# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -v begin=EVENT -v end=EVENT -v keys="NAME ..." [-v overlap=1] -f lib-trace-pairs.awk TRACE: do
# these events come in pairs? What has the same values of the fields named in keys is the same
# thing; it must begin before it ends, and must have ended before it begins again. With overlap, as
# often as it has begun it can end, and must: for what has a successor of its name before it is
# released. Fields are NAME=VALUE or "NAME VALUE". Prints the number of pairs, and a line for each
# breach; exit status 1 if there is one.

function value(name,	i, kv) {
	for (i = 1; i <= NF; i++) {
		if ($i == name)
			return $(i + 1)
		split($i, kv, "=")
		if (kv[1] == name)
			return substr($i, length(name) + 2)
	}
	return ""
}

function key(	i, n, names, text) {
	n = split(keys, names, " ")
	for (i = 1; i <= n; i++)
		text = text names[i] "=" value(names[i]) " "
	return text
}

function breach(what, k) {
	print what ": " k
	breaches++
}

index($0, " " begin ": ") {
	k = key()
	if (open[k]++ && !overlap)
		breach("begins twice", k)
}

index($0, " " end ": ") {
	k = key()
	if (open[k]) {
		open[k]--
		pairs++
	} else {
		breach("ends without a beginning", k)
	}
}

END {
	for (k in open)
		if (open[k])
			breach("does not end", k)
	print pairs + 0 " pairs"
	exit breaches > 0
}
