/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The doctor on machines that are made up: a directory with the files that it reads, each machine
 * a table of them, and what it says of it.
 */
#include <fcntl.h>
#include <ftw.h>
#include <rte_build_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "doctor.h"
#include "suite.h"

/* A file below the root; a text of "-> X" makes a symbolic link to X, NULL a directory. */
struct file {
	const char *path, *text;
};

#define HUGE_2M "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define CPU	"/sys/devices/system/cpu/"
#define NIC(n)	"/sys/bus/pci/devices/0000:0" #n ":00.0/"
#define FLAGS	"flags\t\t: fpu ssse3 sse4_1 sse4_2 popcnt avx constant_tsc nonstop_tsc\n"
#define DRIVERS RTE_EAL_PMD_PATH "/"

/* Two drivers in one file, as e1000 has; the second works beside the kernel's. */
#define PMD_TEXT                                                                                   \
	"\x7f"                                                                                     \
	"ELF PMD_INFO_STRING= {\"name\": \"net_a\", \"kmod\": \"* igb_uio | vfio-pci\", "          \
	"\"pci_ids\": [[32902, 4307, 65535, 65535], [32902, 4308, 65535, 65535]]}\n"               \
	"PMD_INFO_STRING= {\"name\": \"mlx_b\", \"kmod\": \"* ib_uverbs & mlx5_core\", "           \
	"\"pci_ids\": [[5555, 65535, 65535, 65535]]}\nPMD_INFO_STRING= {\"name\": "

static const struct file no_files[] = { { NULL, NULL } };

/* What every machine has. */
static const struct file small_machine[] = {
	{ "/proc/cpuinfo", "vendor_id\t: GenuineIntel\n" FLAGS },
	{ "/proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    1048576 kB\n" },
	{ "/proc/self/status", "Name:\tweir\nCapEff:\t0000000000000000\n" },
	{ "/proc/self/limits",
		"Limit  Soft Limit  Hard Limit  Units\n"
		"Max locked memory         8388608              8388608              bytes\n" },
	{ "/proc/sys/kernel/osrelease", "6.1.0\n" },
	{ CPU "online", "0-3\n" },
	{ CPU "isolated", "\n" },
	{ CPU "nohz_full", "(null)\n" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n" },
	{ NULL, NULL },
};

/* All that there is to have; two NICs for weir, one for the machine itself, one free. */
static const struct file full_machine[] = {
	{ "/proc/self/status", "Name:\tweir\nCapEff:\t000001ffffffffff\n" },
	{ "/proc/self/limits",
		"Max locked memory         unlimited            unlimited  bytes\n" },
	{ HUGE_2M "nr_hugepages", "512\n" },
	{ HUGE_2M "free_hugepages", "500\n" },
	{ "/sys/kernel/iommu_groups/0", NULL },
	{ "/sys/bus/pci/drivers/vfio-pci", NULL },
	{ "/dev/vfio/vfio", "" },
	{ "/dev/net/tun", "" },
	{ CPU "isolated", "1-3\n" },
	{ CPU "nohz_full", "1-3\n" },
	{ CPU "cpu0/cpufreq/scaling_governor", "performance\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
	{ DRIVERS "librte_net_a.so.23.0", PMD_TEXT },
	{ DRIVERS "librte_net_a.so", "-> librte_net_a.so.23.0" },
	{ NIC(1) "class", "0x020000\n" },
	{ NIC(1) "vendor", "0x8086\n" },
	{ NIC(1) "device", "0x10d3\n" },
	{ NIC(1) "driver", "-> ../../../../bus/pci/drivers/vfio-pci" },
	{ NIC(1) "iommu_group", "-> ../../../../kernel/iommu_groups/0" },
	{ NIC(2) "class", "0x020000\n" },
	{ NIC(2) "vendor", "0x15b3\n" },
	{ NIC(2) "device", "0x1017\n" },
	{ NIC(2) "driver", "-> ../../../../bus/pci/drivers/mlx5_core" },
	{ NIC(2) "net/eth2", NULL },
	{ NIC(3) "class", "0x020000\n" },
	{ NIC(3) "vendor", "0x8086\n" },
	{ NIC(3) "device", "0x10d4\n" },
	{ NIC(3) "driver", "-> ../../../../bus/pci/drivers/e1000e" },
	{ NIC(3) "net/used0", NULL },
	{ NIC(4) "class", "0x020000\n" },
	{ NIC(4) "vendor", "0x8086\n" },
	{ NIC(4) "device", "0x10d3\n" },
	{ NIC(4) "driver", "-> ../../../../bus/pci/drivers/e1000e" },
	{ NIC(4) "net/eth4", NULL },
	{ NIC(5) "class", "0x010000\n" },
	{ NULL, NULL },
};

/* NICs are there, but nothing to hand them to a process safely. */
static const struct file no_iommu[] = {
	{ "/lib/modules/6.1.0/kernel/drivers/vfio/pci/vfio-pci.ko", "" },
	{ DRIVERS "librte_net_a.so.23.0", PMD_TEXT },
	{ NIC(1) "class", "0x020000\n" },
	{ NIC(1) "vendor", "0x8086\n" },
	{ NIC(1) "device", "0x10d3\n" },
	{ NIC(1) "driver", "-> ../../../../bus/pci/drivers/vfio-pci" },
	{ NIC(2) "class", "0x020000\n" },
	{ NIC(2) "vendor", "0x1234\n" },
	{ NIC(2) "device", "0x0001\n" },
	{ NIC(2) "driver", "-> ../../../../bus/pci/drivers/virtio-pci" },
	{ NIC(2) "virtio0/net/eth2", NULL },
	{ NIC(3) "class", "0x020000\n" },
	{ NIC(3) "vendor", "0x8086\n" },
	{ NIC(3) "device", "0x10d3\n" },
	{ NIC(3) "net/port3", NULL },
	{ "/sys/class/net/port3/upper_br0", NULL },
	{ NULL, NULL },
};

static const struct file slow_machine[] = {
	{ HUGE_2M "nr_hugepages", "512\n" },
	{ HUGE_2M "free_hugepages", "30\n" },
	{ "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n" },
	{ CPU "online", "0-1,4\n" },
	{ CPU "isolated", "1\n" },
	{ CPU "nohz_full", "1\n" },
	{ CPU "cpu4/cpufreq/scaling_governor", "powersave\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n" },
	{ NULL, NULL },
};

static const struct file two_nodes[] = {
	{ HUGE_2M "nr_hugepages", "512\n" },
	{ HUGE_2M "free_hugepages", "512\n" },
	{ "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "512\n" },
	{ "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "0\n" },
	{ NULL, NULL },
};

static const struct file old_processor[] = {
	{ "/proc/cpuinfo", "flags\t\t: fpu ssse3 sse4_1 sse4_2 popcnt avx512f\n" },
	{ "/proc/meminfo", "MemAvailable:    65536 kB\n" },
	{ NULL, NULL },
};

#define LINK_CONF(device) "links = ( { name = \"a\"; device = \"" device "\"; } );"

static const struct {
	const char *name;
	const struct file *files; /* on top of small_machine */
	const char *config;
	bool can_run;
	const char *lines[12]; /* each must be printed as a whole line */
} machines[] = {
	{ "bare", no_files, "", true,
		{ "ok       processor      3 CPUs for workers",
			"ok       memory         312 MB needed, 1024 MB available",
			"warn     hugepages      this kernel has no 2 MB pages",
			"missing  iommu          none; fine for virtual devices, not for NICs",
			"missing  vfio-pci       this kernel has no such module",
			"missing  /dev/vfio      not there", "missing  /dev/net/tun   not there",
			"missing  nic            no NIC on PCI; virtual devices work",
			"warn     memlock        8 MB may be locked, 312 needed",
			"warn     capabilities   no CAP_NET_ADMIN: net_tap ports",
			"warn     isolated cpus  the kernel runs other things on the workers' CPUs "
			"1-3",
			"weir can run here" } },
	{ "full", full_machine, "", true,
		{ "ok       hugepages      500 of 512 pages of 2 MB free, 157 needed; 0 of 1 GB",
			"ok       iommu          on", "ok       vfio-pci       there",
			"ok       nic            0000:01:00.0: vfio-pci, DPDK's driver is net_a",
			"ok       nic            0000:02:00.0: mlx5_core (eth2), DPDK's driver is "
			"mlx_b",
			"warn     nic            0000:03:00.0: e1000e (used0), used by this "
			"machine itself",
			"warn     nic            0000:04:00.0: e1000e (eth4), DPDK's driver would "
			"be net_a",
			"                        mend: scripts/bind 0000:04:00.0",
			"ok       isolated cpus  the workers' CPUs 1-3 are theirs alone",
			"ok       governor       performance",
			"ok       memlock        not limited", "weir can run here" } },
	{ "no IOMMU", no_iommu, "", true,
		{ "missing  iommu          none; fine for virtual devices, not for NICs",
			"                        mend: switch VT-d on in the firmware, boot with "
			"intel_iommu=on iommu=pt; or unsafe: echo Y "
			">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
			"warn     vfio-pci       not loaded (scripts/bind does it)",
			"warn     nic            0000:02:00.0: virtio-pci (eth2), DPDK has no "
			"driver for it",
			"warn     nic            0000:03:00.0: no driver (port3), used by this "
			"machine itself",
			"weir can run here" } },
	{ "slow", slow_machine, "workers: { lcores = \"1,4\"; }; memory: { mbufs = 8192; };", true,
		{ "ok       processor      2 CPUs for workers",
			"warn     hugepages      30 of 512 pages of 2 MB free, 83 needed; as root "
			"weir "
			"asks for them at start",
			"                        mend: sysctl -w vm.nr_hugepages=565",
			"warn     iommu          none; vfio works without, so NICs can write "
			"anywhere",
			"warn     isolated cpus  the kernel runs other things on the workers' CPUs "
			"1,4",
			"                        mend: boot with isolcpus=1,4 nohz_full=1,4 "
			"rcu_nocbs=1,4",
			"warn     governor       1 CPUs are clocked down when idle",
			"warn     thp            transparent huge pages are always made",
			"warn     clocksource    the kernel counts by hpet" } },
	{ "a node without pages", two_nodes, "", true,
		{ "warn     hugepages      node1 has none free" } },
	{ "too small and too old", old_processor, "", false,
		{ "missing  processor      this processor has no avx",
			"missing  memory         312 MB needed, 64 MB available",
			"weir cannot run here: processor, memory" } },
	{ "its NIC is ready", full_machine, LINK_CONF("0000:01:00.0"), true,
		{ "ok       links          0000:01:00.0: vfio-pci", "weir can run here" } },
	{ "its NIC works beside the kernel", full_machine, LINK_CONF("02:00.0,mprq_en=1"), true,
		{ "ok       links          0000:02:00.0: mlx5_core (eth2)" } },
	{ "its NIC is used by the machine", full_machine, LINK_CONF("0000:03:00.0"), false,
		{ "missing  links          0000:03:00.0: e1000e (used0), not vfio-pci",
			"weir cannot run here: links" } },
	{ "its NIC is not bound", full_machine, LINK_CONF("0000:04:00.0"), false,
		{ "missing  links          0000:04:00.0: e1000e (eth4), not vfio-pci",
			"                        mend: scripts/bind 0000:04:00.0" } },
	{ "its NIC is not there", full_machine, LINK_CONF("0000:09:00.0"), false,
		{ "missing  links          0000:09:00.0: there is no such device" } },
	{ "its NIC has no IOMMU", no_iommu, LINK_CONF("0000:01:00.0"), false,
		{ "missing  links          0000:01:00.0: vfio-pci, but there is no IOMMU" } },
	{ "a tap can be made", full_machine, LINK_CONF("net_tap0,iface=x"), true,
		{ "ok       links          net_tap0" } },
	{ "no tap can be made", no_files, LINK_CONF("net_tap0,iface=x"), false,
		{ "missing  links          net_tap0: /dev/net/tun cannot be opened",
			"                        mend: modprobe tun" } },
	{ "a device that needs nothing", no_files, LINK_CONF("net_null0"), true,
		{ "ok       links          net_null0", "weir can run here" } },
};

/* The machine */

static void tree_make_dirs(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void tree_put(const char *root, const struct file *file)
{
	char path[512];
	FILE *out;

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s%s", root, file->path), sizeof(path));
	tree_make_dirs(path);
	unlink(path);
	if (file->text == NULL) {
		ck_assert_int_eq(mkdir(path, 0755), 0);
		return;
	}
	if (strncmp(file->text, "-> ", 3) == 0) {
		ck_assert_int_eq(symlink(file->text + 3, path), 0);
		return;
	}
	out = fopen(path, "we");
	ck_assert_ptr_nonnull(out);
	fputs(file->text, out);
	fclose(out);
}

static int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static bool used0_has_an_address(const char *interface)
{
	return strcmp(interface, "used0") == 0;
}

/* What the doctor says of it, in a buffer of its own. */
static const char *visit_machine(const char *root, const char *config_text, int *result)
{
	static char text[16384];
	struct doctor doctor = { .root = root, .has_address = used0_has_an_address };
	struct diag diag;

	diag_init(&diag, "test.conf");
	doctor.config = conf_read_text(modules, config_text, strlen(config_text), &diag);
	ck_assert_msg(doctor.config != NULL, "%s", diag_text(&diag));
	doctor.out = fmemopen(text, sizeof(text), "w");
	ck_assert_ptr_nonnull(doctor.out);
	*result = doctor_run(&doctor);
	fclose(doctor.out);
	conf_destroy((struct config *)(uintptr_t)doctor.config);
	diag_fini(&diag);
	return text;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

START_TEST(the_doctor_tells_what_a_machine_lacks)
{
	static bool is_extended;
	char root[] = "/tmp/weir-doctor-XXXXXX";
	const char *text;
	int result;

	if (!is_extended)
		modules_extend();
	is_extended = true;
	ck_assert_ptr_nonnull(mkdtemp(root));
	for (unsigned int i = 0; small_machine[i].path != NULL; i++)
		tree_put(root, &small_machine[i]);
	for (unsigned int i = 0; machines[_i].files[i].path != NULL; i++)
		tree_put(root, &machines[_i].files[i]);
	text = visit_machine(root, machines[_i].config, &result);
	nftw(root, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	ck_assert_msg(result == (machines[_i].can_run ? 0 : -ENODEV), "%s: %d\n%s",
		machines[_i].name, result, text);
	for (unsigned int i = 0; i < RTE_DIM(machines[_i].lines); i++) {
		const char *line = machines[_i].lines[i];

		ck_assert_msg(line == NULL || has_line(text, line), "%s: no line \"%s\" in\n%s",
			machines[_i].name, line, text);
	}
}
END_TEST

SUITE_MAIN("doctor", LOOP_TEST(the_doctor_tells_what_a_machine_lacks, machines))
