/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of bonds; nobody else includes this. Control thread. */
#include "link/bond.h"
#include "link/lacp.h"

/* A member, in the order of joining. */
struct bond_member {
	struct link *link;
	struct lacp_port lacp;
	uint64_t up_since_ns; /* 0: it is down, or has no carrier */
	bool is_usable;	      /* up for long enough */
	bool is_active;	      /* packets leave by it */
	uint64_t n_failures;  /* times that it was lost */
};

struct bond {
	struct link *link;
	struct bond_dp *dp; /* what workers read */
	struct lacp_group lacp;
	struct bond_member *members[BOND_MEMBERS_MAX];
	unsigned int n_members;
	unsigned int n_active;
	struct bond_member *current; /* active-backup: the one in use; NULL: none */
	uint64_t next_look_ns;	     /* at carriers */
};

struct bond *bond_of(const struct link *link); /* NULL: it is none */
struct bond_member *bond_member_of(const struct bond *bond, const struct link *link);
/* Members, their states or what LACP says of them have changed: publishes who is active now. */
void bond_follow(struct dp *dp, struct bond *bond);

/* bond_ctl.c */
void bond_judge(const struct link_conf *conf, struct diag *found);

/* bond_lacp.c */
void bond_lacp_start(struct dp *dp, struct bond *bond);
int bond_lacp_join(struct bond *bond, struct bond_member *member);
void bond_lacp_leave(struct dp *dp, struct bond *bond, struct bond_member *member);
/* The line of a member as it is now. */
void bond_lacp_follow_line(struct dp *dp, struct bond_member *member);
/* Timers, and what is due to be sent. */
void bond_lacp_tick(struct dp *dp, struct bond *bond);
/* Takes in what workers have received. */
void bond_lacp_read(struct dp *dp);
