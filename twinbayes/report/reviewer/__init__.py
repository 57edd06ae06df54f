"""The reviewer's report: evidence, and the sections that show it."""
