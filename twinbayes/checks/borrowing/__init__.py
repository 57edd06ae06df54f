"""Where an answer comes from: own data, own subgroup, other subgroups, the prior."""
