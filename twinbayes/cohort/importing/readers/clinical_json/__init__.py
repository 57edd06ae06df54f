"""Clinical JSON read strictly: FHIR resources flattened by views, phenopackets as tables."""
