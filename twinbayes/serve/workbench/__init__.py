"""The reviewer's workbench: the review of the fit, sign-offs and comments, two fits compared."""
