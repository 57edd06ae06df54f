-- The first and the last day on which each person is under observation.
SELECT b.person_id, MIN(b.observation_period_start_date) AS first_date,
  MAX(b.observation_period_end_date) AS last_date
FROM @cdm.observation_period b
GROUP BY b.person_id
