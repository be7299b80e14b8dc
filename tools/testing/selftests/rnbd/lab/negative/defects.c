// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module with the defects that the checkers of a debug kernel are there for, one for each value
 * of its parameter. The lab must notice every one of them (see negative.py).
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

static char *what = "nothing";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "leak, use-after-free, sleep, locks or free-active");

struct thing {
	struct timer_list timer;
	int number;
};

static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);
static DEFINE_SPINLOCK(spin);

static void leak(void)
{
	struct thing *thing;
	int i;

	/* several: a stale pointer to the last one may stay in a register or on a stack */
	for (i = 0; i < 16; i++) {
		thing = kzalloc(sizeof(*thing), GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(thing);
	}
}

static void use_after_free(void)
{
	struct thing *thing = kzalloc(sizeof(*thing), GFP_KERNEL);

	if (!thing)
		return;
	kfree(thing);
	OPTIMIZER_HIDE_VAR(thing);
	pr_info("number %d\n", READ_ONCE(thing->number));
}

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void lock_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static void locks(void)
{
	lock_both(&first_lock, &second_lock);
	lock_both(&second_lock, &first_lock);
}

static void timer_fn(struct timer_list *timer)
{
}

static void free_active(void)
{
	struct thing *thing = kzalloc(sizeof(*thing), GFP_KERNEL);

	if (!thing)
		return;
	timer_setup(&thing->timer, timer_fn, 0);
	mod_timer(&thing->timer, jiffies + 100 * HZ);
	kfree(thing);
}

static const struct {
	const char *name;
	void (*make)(void);
} defects[] = {
	{ "leak",		leak },
	{ "use-after-free",	use_after_free },
	{ "sleep",		sleep_in_atomic },
	{ "locks",		locks },
	{ "free-active",	free_active },
};

static int __init defects_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(defects); i++) {
		if (!strcmp(what, defects[i].name)) {
			defects[i].make();
			return 0;
		}
	}
	return -EINVAL;
}
module_init(defects_init);

static void __exit defects_exit(void)
{
}
module_exit(defects_exit);

MODULE_DESCRIPTION("Module with defects, for a test of the test lab");
MODULE_LICENSE("GPL");
