/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The doctor's checks of NICs and of what hands them to DPDK, and of the devices that the
 * configuration names. See doctor.c.
 *
 * Which NICs DPDK can drive is written in its drivers themselves: each shared object holds, as text,
 * "PMD_INFO_STRING= " and a JSON object with the PCI ids it takes and the kernel modules it needs.
 */
#include <fcntl.h>
#include <jansson.h>
#include <rte_build_config.h>
#include <rte_dev.h>
#include <rte_pci.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "base/mem.h"
#include "doctor_priv.h"
#include "link/link.h"

#define PCI_DEVICES   "/sys/bus/pci/devices"
#define NOIOMMU_MODE  "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define PMD_INFO_MARK "PMD_INFO_STRING= "

enum { PCI_CLASS_NETWORK = 0x02, PMD_ANY_ID = 0xffff };

/* DPDK's drivers */

struct pmd {
	char name[32];
	uint16_t vendor, device;
	bool needs_vfio; /* else it works beside the kernel's driver */
};

static void pmd_add(struct visit *v, json_t *info, json_t *id)
{
	const char *name = json_string_value(json_object_get(info, "name"));
	const char *kmods = json_string_value(json_object_get(info, "kmod"));
	struct pmd *pmd;

	v->pmds = mem_realloc(v->pmds, v->n_pmds + 1, sizeof(*v->pmds));
	pmd = &v->pmds[v->n_pmds++];
	snprintf(pmd->name, sizeof(pmd->name), "%s", name != NULL ? name : "?");
	pmd->vendor = (uint16_t)json_integer_value(json_array_get(id, 0));
	pmd->device = (uint16_t)json_integer_value(json_array_get(id, 1));
	pmd->needs_vfio = kmods == NULL || strstr(kmods, "vfio-pci") != NULL;
}

/* Reads what one driver says of itself; `text` ends with a NUL inside the file, or is no JSON. */
static void pmd_parse(struct visit *v, const char *text, size_t len)
{
	json_t *info = json_loadb(text, strnlen(text, len), JSON_DISABLE_EOF_CHECK, NULL);
	json_t *id;
	size_t i;

	json_array_foreach(json_object_get(info, "pci_ids"), i, id)
		pmd_add(v, info, id);
	json_decref(info);
}

static void pmd_scan(struct visit *v, const char *text, size_t len)
{
	const char *end = text + len;

	while ((text = memmem(text, (size_t)(end - text), PMD_INFO_MARK, strlen(PMD_INFO_MARK)))) {
		text += strlen(PMD_INFO_MARK);
		pmd_parse(v, text, (size_t)(end - text));
	}
}

/* Most names in the directory are links to others. */
static void pmd_read(struct visit *v, const char *name, void *ctx)
{
	char path[VISIT_PATH_MAX];
	struct stat st;
	void *text;
	int fd;

	snprintf(path, sizeof(path), "%s" RTE_EAL_PMD_PATH "/%s", v->doctor->root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text != MAP_FAILED) {
			pmd_scan(v, text, (size_t)st.st_size);
			munmap(text, (size_t)st.st_size);
		}
	}
	close(fd);
}

/* The driver for a device; NULL: DPDK has none. */
static const struct pmd *pmd_lookup(struct visit *v, const char *address)
{
	long vendor = visit_number(v, -1, PCI_DEVICES "/%s/vendor", address);
	long device = visit_number(v, -1, PCI_DEVICES "/%s/device", address);

	if (v->pmds == NULL)
		visit_each(v, RTE_EAL_PMD_PATH, pmd_read, NULL);
	for (unsigned int i = 0; i < v->n_pmds; i++)
		if (v->pmds[i].vendor == vendor &&
			(v->pmds[i].device == device || v->pmds[i].device == PMD_ANY_ID))
			return &v->pmds[i];
	return NULL;
}

/* The kernel's side */

static bool has_iommu(const struct visit *v)
{
	return visit_exists(v, "/sys/kernel/iommu_groups/0");
}

static bool is_noiommu_mode(const struct visit *v)
{
	char line[VISIT_LINE_MAX];

	return visit_read(v, line, NOIOMMU_MODE) && line[0] == 'Y';
}

void check_iommu(struct visit *v)
{
	char vendor[VISIT_LINE_MAX];
	bool is_intel;

	visit_find(v, vendor, "/proc/cpuinfo", "vendor_id\t:");
	is_intel = strstr(vendor, "Intel") != NULL;
	if (has_iommu(v))
		visit_tell(v, DOCTOR_OK, "", "on");
	else if (is_noiommu_mode(v))
		visit_tell(
			v, DOCTOR_WARN, "", "none; vfio works without, so NICs can write anywhere");
	else
		visit_tell(v, DOCTOR_MISSING,
			is_intel ? "switch VT-d on in the firmware, boot with intel_iommu=on "
				   "iommu=pt; "
				   "or unsafe: echo Y >" NOIOMMU_MODE
				 : "switch the IOMMU on in the firmware, boot with iommu=pt; "
				   "or unsafe: echo Y >" NOIOMMU_MODE,
			"none; fine for virtual devices, not for NICs");
}

/* Is the module on the disk, or built in? */
static bool vfio_can_be_loaded(const struct visit *v)
{
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
	char release[VISIT_LINE_MAX], line[VISIT_LINE_MAX], builtin[VISIT_PATH_MAX];

	visit_read(v, release, "/proc/sys/kernel/osrelease");
	for (unsigned int i = 0; i < RTE_DIM(suffixes); i++)
		if (visit_exists(v, "/lib/modules/%s/kernel/drivers/vfio/pci/vfio-pci.ko%s",
			    release, suffixes[i]))
			return true;
	snprintf(builtin, sizeof(builtin), "/lib/modules/%.256s/modules.builtin", release);
	return visit_find(v, line, builtin, "kernel/drivers/vfio/pci/vfio-pci.ko");
}

void check_vfio(struct visit *v)
{
	if (visit_exists(v, "/sys/bus/pci/drivers/vfio-pci"))
		visit_tell(v, DOCTOR_OK, "", "there");
	else if (vfio_can_be_loaded(v))
		visit_tell(
			v, DOCTOR_WARN, "modprobe vfio-pci", "not loaded (scripts/bind does it)");
	else
		visit_tell(v, DOCTOR_MISSING, "apt-get install linux-image-amd64",
			"this kernel has no such module");
}

void check_vfio_access(struct visit *v)
{
	if (!visit_exists(v, "/dev/vfio/vfio"))
		visit_tell(v, DOCTOR_MISSING, "modprobe vfio-pci", "not there");
	else if (!visit_may_open(v, "/dev/vfio/vfio"))
		visit_tell(v, DOCTOR_WARN,
			"run as root, or chown /dev/vfio/vfio and the groups beside it",
			"we may not open it");
	else
		visit_tell(v, DOCTOR_OK, "", "we may open it");
}

void check_tun(struct visit *v)
{
	if (!visit_exists(v, "/dev/net/tun"))
		visit_tell(v, DOCTOR_MISSING, "modprobe tun", "not there");
	else if (!visit_may_open(v, "/dev/net/tun"))
		visit_tell(v, DOCTOR_WARN, "chmod 666 /dev/net/tun", "we may not open it");
	else
		visit_tell(v, DOCTOR_OK, "", "we may open it");
}

/* NICs */

/* A NIC while it is looked at. */
struct nic {
	const char *address;
	char driver[VISIT_PATH_MAX]; /* of the kernel; "" none */
	char interface[64];	     /* the first; "" none */
	bool is_used;		     /* by the machine itself */
	const struct pmd *pmd;	     /* NULL: DPDK has no driver */
};

static void nic_note_upper(struct visit *v, const char *name, void *ctx)
{
	struct nic *nic = ctx;

	if (strncmp(name, "upper_", strlen("upper_")) == 0 || strcmp(name, "master") == 0)
		nic->is_used = true;
}

static void nic_note_interface(struct visit *v, const char *name, void *ctx)
{
	char path[VISIT_PATH_MAX];
	struct nic *nic = ctx;

	if (nic->interface[0] == '\0')
		snprintf(nic->interface, sizeof(nic->interface), "%s", name);
	if (v->doctor->has_address(name))
		nic->is_used = true;
	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	visit_each(v, path, nic_note_upper, nic);
}

/* Interfaces of virtio hang below the PCI device's child. */
static void nic_note_child(struct visit *v, const char *name, void *ctx)
{
	char path[VISIT_PATH_MAX];
	struct nic *nic = ctx;

	if (strncmp(name, "virtio", strlen("virtio")) != 0)
		return;
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s/net", nic->address, name);
	visit_each(v, path, nic_note_interface, nic);
}

static void nic_look_at(struct visit *v, struct nic *nic, const char *address)
{
	char path[VISIT_PATH_MAX];

	*nic = (struct nic){ .address = address, .pmd = pmd_lookup(v, address) };
	visit_link(v, nic->driver, PCI_DEVICES "/%s/driver", address);
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/net", address);
	visit_each(v, path, nic_note_interface, nic);
	snprintf(path, sizeof(path), PCI_DEVICES "/%s", address);
	visit_each(v, path, nic_note_child, nic);
}

static bool nic_is_for_dpdk(const struct nic *nic)
{
	static const char *const drivers[] = { "vfio-pci", "uio_pci_generic", "igb_uio" };

	for (unsigned int i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(nic->driver, drivers[i]) == 0)
			return true;
	return nic->pmd != NULL && !nic->pmd->needs_vfio && nic->driver[0] != '\0';
}

/* "0000:03:00.0: ixgbe (eth0)" */
static void nic_print(const struct nic *nic, char *text, size_t size)
{
	const char *driver = nic->driver[0] != '\0' ? nic->driver : "no driver";

	if (nic->interface[0] != '\0')
		snprintf(text, size, "%s: %.64s (%s)", nic->address, driver, nic->interface);
	else
		snprintf(text, size, "%s: %.64s", nic->address, driver);
}

static void nic_tell(struct visit *v, const struct nic *nic)
{
	char text[256], mend[64];

	nic_print(nic, text, sizeof(text));
	if (nic->pmd == NULL) {
		snprintf(mend, sizeof(mend), "scripts/bind --undo %s", nic->address);
		visit_tell(v, DOCTOR_WARN, nic_is_for_dpdk(nic) ? mend : "",
			"%s, DPDK has no driver for it", text);
	} else if (nic->is_used && nic->pmd->needs_vfio) {
		visit_tell(v, DOCTOR_WARN, "", "%s, used by this machine itself", text);
	} else if (nic_is_for_dpdk(nic)) {
		visit_tell(v, DOCTOR_OK, "", "%s, DPDK's driver is %s", text, nic->pmd->name);
	} else {
		snprintf(mend, sizeof(mend), "scripts/bind %s", nic->address);
		visit_tell(v, DOCTOR_WARN, mend, "%s, DPDK's driver would be %s", text,
			nic->pmd->name);
	}
}

static bool is_network_device(const struct visit *v, const char *address)
{
	return visit_number(v, 0, PCI_DEVICES "/%s/class", address) >> 16 == PCI_CLASS_NETWORK;
}

static void check_nic(struct visit *v, const char *address, void *ctx)
{
	unsigned int *n_nics = ctx;
	struct nic nic;

	if (!is_network_device(v, address))
		return;
	(*n_nics)++;
	nic_look_at(v, &nic, address);
	nic_tell(v, &nic);
}

void check_nics(struct visit *v)
{
	unsigned int n_nics = 0;

	visit_each(v, PCI_DEVICES, check_nic, &n_nics);
	if (n_nics == 0)
		visit_tell(v, DOCTOR_MISSING, "", "no NIC on PCI; virtual devices work");
}

/* What the configuration names */

static void check_pci_link(struct visit *v, const char *address)
{
	char text[256], mend[64] = "";
	struct nic nic;

	if (!visit_exists(v, PCI_DEVICES "/%s", address)) {
		visit_tell(v, DOCTOR_FATAL, "", "%s: there is no such device", address);
		return;
	}
	nic_look_at(v, &nic, address);
	nic_print(&nic, text, sizeof(text));
	if (!nic_is_for_dpdk(&nic)) {
		if (!nic.is_used)
			snprintf(mend, sizeof(mend), "scripts/bind %s", address);
		visit_tell(v, DOCTOR_FATAL, mend, "%s, not vfio-pci", text);
	} else if (strcmp(nic.driver, "vfio-pci") == 0 &&
		   !visit_exists(v, PCI_DEVICES "/%s/iommu_group", address)) {
		visit_tell(v, DOCTOR_FATAL, "", "%s, but there is no IOMMU", text);
	} else {
		visit_tell(v, DOCTOR_OK, "", "%s", text);
	}
}

static void check_link(struct visit *v, const char *device)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	struct rte_pci_addr address;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (rte_pci_addr_parse(name, &address) == 0) {
		rte_pci_device_name(&address, name, sizeof(name));
		check_pci_link(v, name);
	} else if (strncmp(name, "net_tap", strlen("net_tap")) == 0 &&
		   !visit_may_open(v, "/dev/net/tun")) {
		visit_tell(
			v, DOCTOR_FATAL, "modprobe tun", "%s: /dev/net/tun cannot be opened", name);
	} else {
		visit_tell(v, DOCTOR_OK, "", "%s", name);
	}
}

void check_links(struct visit *v)
{
	const struct conf_section *links = conf_section(v->doctor->config, "links");
	const char *device;

	for (unsigned int i = 0; i < links->n_objects; i++) {
		device = link_conf_device(links->objects[i]);
		if (device != NULL)
			check_link(v, device);
	}
}
