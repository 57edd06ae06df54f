# The image of the ward explorer: this package with the extra serve, under a user without rights.
# From the top of the repository: docker build -f containers/ward-explorer.Dockerfile -t <name> .
FROM python:3.13-slim

COPY pyproject.toml README.md LICENSE /src/
COPY twinbayes /src/twinbayes
COPY data_schemas /src/data_schemas
COPY diseases /src/diseases
COPY priors /src/priors
COPY queries /src/queries
COPY notebooks/review /src/notebooks/review

RUN pip install --no-cache-dir "/src[serve]" && rm -r /src \
 && useradd --create-home --uid 10001 explorer \
 && mkdir /audit && chown explorer /audit && chmod 0700 /audit

USER explorer
# Kernels are compiled here, once. On a processor of another kind the first start compiles them anew.
ENV OMP_NUM_THREADS=1
RUN ["python", "-c", "import twinbayes as tb; tb.fit(tb.disease('survival').ignoring('complete_remission', 'relapse'), tb.datasets.registry(), draws=100, tune=100, progressbar=False).twin(at=0).survival_frame([365.0])"]

# The audit log, the secret of pseudonyms and the updates outlive the container; the fit is read only.
VOLUME /audit
EXPOSE 8000
ENTRYPOINT ["twinbayes", "serve", "/fit/fit.nc", "--audit", "/audit/audit.jsonl", "--updates", "/audit/updates.jsonl", "--host", "0.0.0.0", "--proxy-secret-file", "/run/secrets/proxy"]
CMD ["--hostname", "localhost"]
