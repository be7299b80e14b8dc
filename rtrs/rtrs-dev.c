// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RDMA devices and how to let go of them.
 *
 * Normal operation: the RDMA core announces each device; a device that can do what
 * the transport needs gets an object, which paths find by the device of their CM id and
 * hold while they use it, with a protection domain of their own.
 *
 * Removal: the device leaves the list first, so that nobody new finds it, then every
 * user is told, and the RDMA core is kept waiting until the last of them has gone.
 * Users therefore never own a pointer to a device that is not there.
 */
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "rtrs-pri.h"

/*
 * Guards the list of devices and the lists of their users.  Held while users are
 * told of a removal, so that none of them can disappear meanwhile.
 */
static DEFINE_MUTEX(devs_lock);
static LIST_HEAD(devs);			/* rtrs_dev.entry */

/* Requests need registrations that are made and invalidated by work requests. */
static bool is_capable(const struct ib_device *ib_dev)
{
	return (ib_dev->attrs.device_cap_flags & IB_DEVICE_MEM_MGT_EXTENSIONS) &&
	       ib_dev->attrs.max_fast_reg_page_list_len;
}

static struct rtrs_dev *find(const struct ib_device *ib_dev)
{
	struct rtrs_dev *dev;

	lockdep_assert_held(&devs_lock);

	list_for_each_entry(dev, &devs, entry) {
		if (dev->ib_dev == ib_dev)
			return dev;
	}
	return NULL;
}

static void mark_idle(struct kref *ref)
{
	complete(&container_of(ref, struct rtrs_dev, ref)->idle);
}

static void leave(struct rtrs_dev *dev, struct rtrs_dev_user *user)
{
	mutex_lock(&devs_lock);
	list_del_init(&user->entry);
	mutex_unlock(&devs_lock);

	kref_put(&dev->ref, mark_idle);
}

/**
 * rtrs_dev_get - use an RDMA device
 * @ib_dev: device of a CM id; the caller knows that it has not gone yet
 * @user: told when the device leaves; must stay until rtrs_dev_put()
 *
 * Context: process, may sleep.  &rtrs_dev_user.removed may be called before this
 * function has returned.
 *
 * Return: the device with a reference for the caller, and a protection domain in
 * &rtrs_dev_user.pd; ERR_PTR(-EOPNOTSUPP) if the device lacks fast registration;
 * ERR_PTR(-ENODEV) if it is leaving; or why there is no protection domain.
 */
struct rtrs_dev *rtrs_dev_get(struct ib_device *ib_dev, struct rtrs_dev_user *user)
{
	struct rtrs_dev *dev;
	struct ib_pd *pd;

	if (!is_capable(ib_dev))
		return ERR_PTR(-EOPNOTSUPP);

	mutex_lock(&devs_lock);
	dev = find(ib_dev);
	if (dev) {
		kref_get(&dev->ref);
		list_add_tail(&user->entry, &dev->users);
	}
	mutex_unlock(&devs_lock);
	if (!dev)
		return ERR_PTR(-ENODEV);

	pd = ib_alloc_pd(ib_dev, 0);
	if (IS_ERR(pd)) {
		leave(dev, user);
		return ERR_CAST(pd);
	}
	user->pd = pd;
	return dev;
}
EXPORT_SYMBOL_GPL(rtrs_dev_get);

/**
 * rtrs_dev_put - stop using an RDMA device
 * @dev: from rtrs_dev_get()
 * @user: as given to rtrs_dev_get()
 *
 * Everything that the user had on the device must be gone: queue pairs, completion
 * queues, memory regions, DMA mappings and CM ids.  &rtrs_dev_user.removed is not
 * running when this returns, and will not be called.
 *
 * Context: process, may sleep; not from &rtrs_dev_user.removed.
 */
void rtrs_dev_put(struct rtrs_dev *dev, struct rtrs_dev_user *user)
{
	ib_dealloc_pd(user->pd);
	user->pd = NULL;
	leave(dev, user);
}
EXPORT_SYMBOL_GPL(rtrs_dev_put);

static struct rtrs_dev *create(struct ib_device *ib_dev)
{
	struct rtrs_dev *dev;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);

	dev->ib_dev = ib_dev;
	dev->max_send_sge = ib_dev->attrs.max_send_sge;
	/* Nobody maps more than one page for each chunk, or a chunk in pages. */
	dev->max_fr_pages = min_t(u32, ib_dev->attrs.max_fast_reg_page_list_len,
				  RTRS_MAX_QUEUE_DEPTH);
	INIT_LIST_HEAD(&dev->users);
	kref_init(&dev->ref);
	init_completion(&dev->idle);
	return dev;
}

static int add_one(struct ib_device *ib_dev)
{
	struct rtrs_dev *dev;

	if (!is_capable(ib_dev))
		return -EOPNOTSUPP;

	dev = create(ib_dev);
	if (IS_ERR(dev)) {
		dev_err(&ib_dev->dev, "rtrs: cannot be used: %pe\n", dev);
		return PTR_ERR(dev);
	}

	mutex_lock(&devs_lock);
	list_add_tail(&dev->entry, &devs);
	mutex_unlock(&devs_lock);
	return 0;
}

static struct rtrs_dev *unpublish(const struct ib_device *ib_dev)
{
	struct rtrs_dev_user *user, *next;
	struct rtrs_dev *dev;

	mutex_lock(&devs_lock);
	dev = find(ib_dev);
	if (dev) {
		list_del(&dev->entry);
		list_for_each_entry_safe(user, next, &dev->users, entry) {
			list_del_init(&user->entry);
			user->removed(user);
		}
	}
	mutex_unlock(&devs_lock);
	return dev;
}

static void remove_one(struct ib_device *ib_dev, void *client_data)
{
	struct rtrs_dev *dev = unpublish(ib_dev);

	if (!dev)
		return;

	kref_put(&dev->ref, mark_idle);
	wait_for_completion(&dev->idle);
	kfree(dev);
}

static struct ib_client dev_client = {
	.name	= "rtrs",
	.add	= add_one,
	.remove	= remove_one,
};

/**
 * rtrs_dev_init - start to follow the RDMA devices of the machine
 *
 * Context: module initialisation.
 *
 * Return: 0 or a negative errno.
 */
int rtrs_dev_init(void)
{
	return ib_register_client(&dev_client);
}

/**
 * rtrs_dev_exit - let go of all RDMA devices
 *
 * Context: module exit; no user is left.
 */
void rtrs_dev_exit(void)
{
	ib_unregister_client(&dev_client);
}
