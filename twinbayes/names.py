"""Every dim, coordinate, group and reserved word of the package, spelled once.

Other modules import these constants; a test locks their values, because users'
notebooks and saved fits depend on them.
"""

from __future__ import annotations

from typing import Final

# --- dims of the posterior and of forecasts -------------------------------------------
CHAIN: Final = "chain"
DRAW: Final = "draw"
SAMPLE: Final = "sample"  # (chain, draw) stacked
PATIENT: Final = "patient"
SUBGROUP: Final = "subgroup"
CENTRE: Final = "centre"
STATE: Final = "state"
TRANSITION: Final = "transition"
WINDOW: Final = "window"  # pieces of a baseline hazard
COVARIATE: Final = "covariate"
COVARIATE_GROUP: Final = "covariate_group"
PRINCIPAL_AXIS: Final = "principal_axis"  # of a covariate group
TREATMENT: Final = "treatment"
EFFECT: Final = "effect"  # one treatment effect: (treatment, transition, phase)
ENTRY_ERA: Final = "entry_era"  # when the state was entered that an intensity leads out of
ENTRY_CUT: Final = "entry_cut"  # between an era of entry and the one before
RECURRENT_EVENT: Final = "recurrent_event"  # events that recur within a state
FRAILTY_OTHER: Final = "frailty_other"  # intensities of a frailty after the first
TIME_VARYING: Final = "time_varying"  # effects that change with time
TIME_VARYING_WINDOW: Final = "time_varying_window"  # windows of these effects, one after another
TIME: Final = "time"  # days since the landmark
PATIENT_CENTRED: Final = "patient_centred"  # patients, in fits of earlier versions
PATIENT_NON_CENTRED: Final = "patient_non_centred"  # the other patients, likewise
PATIENT_DIMS: Final = (PATIENT, PATIENT_CENTRED, PATIENT_NON_CENTRED)  # labels are identifiers
MARKER: Final = "marker"
MARKER_WITH_ERROR: Final = "marker_with_error"  # markers with a standard deviation of errors
MARKER_WITH_WAVES: Final = "marker_with_waves"  # markers with a Gaussian process of time
COUNT_MARKER: Final = "count_marker"  # markers that count, with more than Poisson variation
CURVE_TERM: Final = "curve_term"  # one coefficient of one marker's curve
CURVE_WAVE: Final = "curve_wave"  # those that weigh the waves of a Gaussian process
CURVE_LINE: Final = "curve_line"  # the others, where there are waves
PATIENT_TERM: Final = "patient_term"  # coefficients that differ between patients
PATIENT_TERM_AGAIN: Final = "patient_term_again"  # the other side of a correlation
CURVE_COVARIATE: Final = "curve_covariate"  # level, then covariates that act on curves
COEFFICIENT: Final = "coefficient"  # of a model of aggregate data
ROW: Final = "row"  # of aggregate data
ASSOCIATION: Final = "association_term"  # one feature of a marker on one transition

# --- variables of the posterior that others than the component that adds them read -----
LOG_BASELINE: Final = "log_baseline"
LOG_BASELINE_AT_EVENT: Final = "log_baseline_at_event"
BETA: Final = "beta"
SUBGROUP_EFFECT: Final = "subgroup_effect"
SUBGROUP_SCALE: Final = "subgroup_scale"
CENTRE_EFFECT: Final = "centre_effect"
CENTRE_SCALE: Final = "centre_scale"
TREATMENT_EFFECT: Final = "treatment_effect"
TREATMENT_HETEROGENEITY: Final = "treatment_heterogeneity"
TREATMENT_SUBGROUP_EFFECT: Final = "treatment_subgroup_effect"
ENTRY_ERA_EFFECT: Final = "entry_era_effect"
EXPECTED_EVENTS: Final = "expected_events"
FEDERATION: Final = "federation"
TRANSPORT: Final = "transport"  # in the manifest of a fit that was moved to another place
TRANSPORT_LEVEL: Final = "transport_level"
TRANSPORT_SLOPE: Final = "transport_slope"
TRANSPORT_SHAPE: Final = "transport_shape"
FRAILTY_EFFECT: Final = "frailty_effect"
FRAILTY_SCALE: Final = "frailty_scale"
TIME_VARYING_EFFECT: Final = "time_varying_effect"
ASSOCIATION_EFFECT: Final = "association"
CURVE_EFFECT: Final = "curve_effect"
CURVE_SUBGROUP_EFFECT: Final = "curve_subgroup_effect"
CURVE_SUBGROUP_SCALE: Final = "curve_subgroup_scale"
CURVE_CENTRE_EFFECT: Final = "curve_centre_effect"
CURVE_CENTRE_SCALE: Final = "curve_centre_scale"
PATIENT_SD: Final = "patient_sd"
PATIENT_CORRELATION: Final = "patient_correlation"
PATIENT_CURVE: Final = "patient_curve"
MARKER_SD: Final = "marker_sd"
MARKER_SHAPE: Final = "marker_shape"
POOLED_EFFECT: Final = "effect"  # of a model of aggregate data; the same word as the dim EFFECT
SUBGROUP_VALUE: Final = "subgroup_value"  # a response rate, mean or rate of aggregate data

# --- variables of forecasts ---------------------------------------------------------------
STATE_PROBABILITY: Final = "state_probability"
SURVIVAL: Final = "survival"
CUMULATIVE_INCIDENCE: Final = "cumulative_incidence"
RESTRICTED_MEAN_TIME: Final = "restricted_mean_time"
RMST: Final = "rmst"
MARKER_CURVE: Final = "marker_curve"
MARKER_VALUE: Final = "marker_value"
RISK_DIFFERENCE: Final = "risk_difference"
QUALITY_ADJUSTED_TIME: Final = "quality_adjusted_time"
QUALITY_ADJUSTED_SURVIVAL: Final = "quality_adjusted_survival"
BOUNDS: Final = ("", "_lower", "_upper")  # suffixes: mean, and the ends of its interval
DRAWS: Final = "_draws"  # suffix: every draw
DIFFERENCE: Final = "_difference"  # suffix: of the first scenario less the second

# --- coordinates of forecasts -----------------------------------------------------------
LANDMARK_DAY: Final = "landmark_day"
BEYOND_FOLLOW_UP: Final = "beyond_follow_up"  # of a time: whether nobody was followed so long
FOLLOWED_UNTIL: Final = "followed_until"  # attribute: days from the landmark, of all patients
NEEDS_REFIT: Final = "needs_refit"  # of a patient: whether the draws of the fit no longer serve

# --- tables of a cohort -----------------------------------------------------------------
PATIENTS: Final = "patients"
GENOMICS: Final = "genomics"
VISITS: Final = "visits"
EVENTS: Final = "events"
TREATMENTS: Final = "treatments"
VARIABLES: Final = "variables"
TABLES: Final = (PATIENTS, GENOMICS, VISITS, EVENTS, TREATMENTS, VARIABLES)

# --- columns ----------------------------------------------------------------------------
PATIENT_ID: Final = "patient_id"
DAY: Final = "day"
#: Columns of patients who come under observation late, or in another state than the first.
ENTRY_DAY: Final = "entry_day"
ENTRY_STATE: Final = "entry_state"
DAY_LOWER: Final = "day_lower"
EVENT: Final = "event"
VISIT_VALUE: Final = "value"  # of a visit; the marker's name is in the column MARKER
CENSORED: Final = "censored"  # of a visit: none, left or right

# --- reserved events: exactly one of these closes a patient's record --------------------
DEATH: Final = "death"
#: Label of all parts together, subgroups or centres, in tables.
WHOLE: Final = "all"
LAST_CONTACT: Final = "last_contact"
TERMINAL_EVENTS: Final = (DEATH, LAST_CONTACT)

# --- groups of a fit's DataTree ---------------------------------------------------------
POSTERIOR: Final = "posterior"
HIDDEN_POSTERIOR: Final = "hidden_posterior"  # sampled, judged, not reported
SAMPLE_STATS: Final = "sample_stats"
LOG_LIKELIHOOD: Final = "log_likelihood"
PRIOR: Final = "prior"
LOG_PRIOR: Final = "log_prior"
POSTERIOR_PREDICTIVE: Final = "posterior_predictive"
OBSERVED_DATA: Final = "observed_data"
CONSTANT_DATA: Final = "constant_data"
WINDOW_EDGE: Final = "window_edge"
PATIENT_WEIGHT: Final = "patient_weight"
PATIENT_SUBGROUP: Final = "patient_subgroup"

# --- clocks -----------------------------------------------------------------------------
CLOCK_ORIGIN: Final = "origin"  # days since the patient's origin
CLOCK_ENTRY: Final = "entry"  # days since entry into the state

DAYS_PER_YEAR: Final = 365.25

# --- modules that are loaded by name ----------------------------------------------------
TWINS_OF_FIT: Final = "twinbayes.twin.of_fit"  # what `Fit.twin` answers with
#: The module that plots; loaded by name.
PLOTS: Final = "twinbayes.plots"
TRANSPORT_OF_FIT: Final = "twinbayes.monitoring.transport"  # what `Fit.transport` answers with
