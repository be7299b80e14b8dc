// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk rnbd<N> of a device.
 *
 * Purpose: make the gendisk with the limits of server and session, and answer the
 * block layer's questions about it.
 * Operation: the disk carries the only reference count of the device.  Once it was
 * added, free_disk() ends the device after the last user has closed it; a disk that
 * was never added leaves the device to its creator.
 * Failure: a geometry that the block layer cannot handle is refused here, with -EINVAL
 * and a line in the log.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/hdreg.h>
#include <linux/module.h>

#include "rnbd-clt.h"

static int rnbd_clt_disk_open(struct gendisk *gd, blk_mode_t mode)
{
	struct rnbd_clt_dev *dev = gd->private_data;

	if (READ_ONCE(dev->state) == RNBD_CLT_DEV_UNMAPPED)
		return -ENXIO;
	if (mode & BLK_OPEN_WRITE && get_disk_ro(gd))
		return -EPERM;
	return 0;
}

/* No medium turns here; the traditional figures, such that the product is the size. */
static int getgeo(struct block_device *bdev, struct hd_geometry *geo)
{
	geo->heads = 4;
	geo->sectors = 16;
	geo->cylinders = min_t(sector_t, get_capacity(bdev->bd_disk) >> 6, U16_MAX);
	geo->start = get_start_sect(bdev);
	return 0;
}

static void free_disk(struct gendisk *gd)
{
	rnbd_clt_dev_free(gd->private_data);
}

static const struct block_device_operations disk_ops = {
	.owner		= THIS_MODULE,
	.open		= rnbd_clt_disk_open,
	.getgeo		= getgeo,
	.free_disk	= free_disk,
};

/* Requests without data tell their length in bytes, in 32 bits (7.1). */
static unsigned int max_sectors(const struct rnbd_geometry *geo, u32 sectors)
{
	return min_t(u32, sectors,
		     round_down(U32_MAX, geo->logical_block_size) >> SECTOR_SHIFT);
}

/* The table of ABI 1.6; what is not set has the right default. */
static void set_limits(struct queue_limits *lim, const struct rnbd_geometry *geo,
		       const struct rtrs_clt_attrs *attrs)
{
	unsigned int discard = max_sectors(geo, geo->max_discard_sectors);

	*lim = (struct queue_limits) {
		.logical_block_size		= geo->logical_block_size,
		.physical_block_size		= geo->physical_block_size,
		.io_opt				= attrs->max_io_size,
		.max_hw_sectors			= attrs->max_io_size >> SECTOR_SHIFT,
		.max_segments			= attrs->max_segments,
		.max_segment_size		= UINT_MAX,
		.virt_boundary_mask		= 4096 - 1,
		.max_hw_discard_sectors		= discard,
		.max_discard_segments		= 1,
		.discard_granularity		= geo->discard_granularity,
		.discard_alignment		= geo->discard_alignment,
		.max_secure_erase_sectors	= geo->secure_discard ? discard : 0,
		.max_write_zeroes_sectors	= max_sectors(geo, geo->max_write_zeroes_sectors),
	};
	if (geo->writeback)
		lim->features |= BLK_FEAT_WRITE_CACHE;
	if (geo->fua)
		lim->features |= BLK_FEAT_FUA;
}

static int check_geometry(struct rnbd_clt_dev *dev)
{
	u32 largest = min_t(u32, PAGE_SIZE, dev->sess->attrs.max_io_size);

	if (dev->geo.logical_block_size <= largest)
		return 0;
	rnbd_clt_log(pr_err, dev, "logical block size %u is larger than %u\n",
		     dev->geo.logical_block_size, largest);
	return -EINVAL;
}

/**
 * rnbd_clt_disk_create() - make the disk of a device, not visible yet
 * @dev: device, opened on the server; &rnbd_clt_dev.gd is set
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for a geometry that is of no use, or another negative errno.
 */
int rnbd_clt_disk_create(struct rnbd_clt_dev *dev)
{
	struct queue_limits lim;
	struct gendisk *gd;
	int err;

	err = check_geometry(dev);
	if (err)
		return err;
	set_limits(&lim, &dev->geo, &dev->sess->attrs);
	gd = blk_mq_alloc_disk(&dev->sess->tag_set, &lim, dev);
	if (IS_ERR(gd))
		return PTR_ERR(gd);

	gd->major = rnbd_clt_major;
	gd->first_minor = dev->nr * RNBD_CLT_MINORS;
	gd->minors = RNBD_CLT_MINORS;
	gd->fops = &disk_ops;
	gd->private_data = dev;
	snprintf(gd->disk_name, sizeof(gd->disk_name), "rnbd%d", dev->nr);
	set_capacity(gd, dev->geo.nsectors);
	set_disk_ro(gd, dev->access_mode == RNBD_ACCESS_RO);
	dev->gd = gd;
	return 0;
}

/**
 * rnbd_clt_disk_add() - make the disk visible
 * @dev: device with a disk
 *
 * The attributes in rnbd/ are there before user space hears of the disk.  Partitions
 * are read here, so the device must already take I/O.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno; then the disk has to be put by the caller, and does
 * not free the device.
 */
int rnbd_clt_disk_add(struct rnbd_clt_dev *dev)
{
	return device_add_disk(NULL, dev->gd, rnbd_clt_disk_groups);
}
