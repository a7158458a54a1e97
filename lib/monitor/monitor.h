/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * `monitor`: what happens in the control plane, told to clients as it happens. It only listens: no
 * other module knows of it. Control thread.
 */
#include "dp/module.h"

extern struct module monitor_module;
