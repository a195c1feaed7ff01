-- SC516 showCertificate
SELECT showCertificate()
