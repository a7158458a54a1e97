/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The thread around a worker. arg: struct worker *. For rte_eal_remote_launch(). */
int worker_loop(void *arg);
